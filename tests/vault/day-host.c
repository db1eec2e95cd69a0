/* day-host.c - what does a host do to a vault that a test has in its hand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "day-host.h"

#include <errno.h>
#include <signal.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct host host;

int __real_clock_gettime(clockid_t, struct timespec *);
int __real_fdatasync(int);
int __real_fsync(int);
int __real_renameat(int, const char *, int, const char *);
int __real_unlinkat(int, const char *, int);
ssize_t __real_pwritev64(int, const struct iovec *, int, off_t);
int __real_fallocate64(int, int, off_t, off_t);
int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_fdatasync(int);
int __wrap_fsync(int);
int __wrap_renameat(int, const char *, int, const char *);
int __wrap_unlinkat(int, const char *, int);
ssize_t __wrap_pwritev64(int, const struct iovec *, int, off_t);
int __wrap_fallocate64(int, int, off_t, off_t);

static void called(void)
{
    host.calls++;
    if (host.kill && --host.kill == 0)
        kill(getpid(), SIGKILL);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (clock != CLOCK_REALTIME || !host.now)
        return __real_clock_gettime(clock, ret);
    *ret = (struct timespec){ .tv_sec = (time_t)(host.now / 1000000000),
                              .tv_nsec = (long)(host.now % 1000000000) };
    return 0;
}

int __wrap_fdatasync(int fd)
{
    called();
    return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    called();
    return __real_fsync(fd);
}

int __wrap_renameat(int from, const char *old, int to, const char *new)
{
    called();
    return __real_renameat(from, old, to, new);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    called();
    return __real_unlinkat(fd, name, flags);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int count, off_t offset)
{
    called();
    if (host.full) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwritev64(fd, iov, count, offset);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
    called();
    return __real_fallocate64(fd, mode, offset, length);
}
