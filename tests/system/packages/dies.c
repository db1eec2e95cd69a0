/* dies.c - what if a process is killed just before its Nth change to the disk or the network?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * LD_PRELOAD it with DIES_AT=N: the Nth call of one of these is SIGKILL.  A test goes through all
 * N until the process comes to its end. */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int fsync(int fd);
int mkdir(const char *path, mode_t mode);
int rename(const char *from, const char *to);
int renameat(int from, const char *a, int to, const char *b);
int rmdir(const char *path);
int symlink(const char *target, const char *path);
int unlink(const char *path);
int unlinkat(int folder, const char *path, int flags);
ssize_t send(int fd, const void *data, size_t size, int flags);

static void step(void)
{
    static atomic_int steps;
    const char *at = getenv("DIES_AT");

    if (at && atomic_fetch_add(&steps, 1) + 1 == atoi(at))
        kill(getpid(), SIGKILL);
}

/* The real one, after the step. */
#define REAL(name, ...)                                                                            \
    __extension__({                                                                                \
        __typeof__(&(name)) real = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name);                   \
        step();                                                                                    \
        real(__VA_ARGS__);                                                                         \
    })

int fsync(int fd)
{
    return REAL(fsync, fd);
}

int mkdir(const char *path, mode_t mode)
{
    return REAL(mkdir, path, mode);
}

int rename(const char *from, const char *to)
{
    return REAL(rename, from, to);
}

int renameat(int from, const char *a, int to, const char *b)
{
    return REAL(renameat, from, a, to, b);
}

int rmdir(const char *path)
{
    return REAL(rmdir, path);
}

int symlink(const char *target, const char *path)
{
    return REAL(symlink, target, path);
}

int unlink(const char *path)
{
    return REAL(unlink, path);
}

int unlinkat(int folder, const char *path, int flags)
{
    return REAL(unlinkat, folder, path, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return REAL(send, fd, data, size, flags);
}
