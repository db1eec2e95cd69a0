/* die-at.c - how does a gateway die at one named moment of its work?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A library that points.sh preloads into the gateways under test, so that what is shipped knows
 * nothing of it.  Once the file that WEIR_DIE_AT names is there, its lines are moments,
 *
 *   before|torn|after OPERATION PATTERN
 *
 * and when they have come in this order, in one process, that process kills itself with SIGKILL.
 * The file is renamed to FILE.hit before: who is started again lives on.  torn: half of a write is
 * done, in whole pages, as a kill leaves it; of less than two pages half the bytes.  PATTERN is of
 * fnmatch(3), for a path; OPERATION is one of
 *
 *   create write zero sync truncate rename remove    of a file; a rename has its new name, and the
 *                                                    sync of a folder that of the folder
 *   send answer    of what goes to the other site: wire/frame, wire/command, wire/flush,
 *                  wire/status, wire/needs, wire/head; an answer is met before it is looked at
 *
 * The C library is gone around by system calls: what is preloaded in front (a sanitizer) has seen
 * the call by then. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libnbd.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "page.h" /* what lies where in a log's export */

/* ---- is this the moment? -------------------------------------------------------------------- */

enum { MOMENTS = 1024 };

/* How many of the lines have come: of this process, which has one life and one death. */
static _Atomic unsigned come;

/* The lines; false: nobody is to die, as nearly always. */
static bool read_moments(const char *path, char text[MOMENTS])
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0)
        return false;
    const long n = syscall(SYS_read, fd, text, MOMENTS - 1);
    syscall(SYS_close, fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void die(const char *path)
{
    char hit[PATH_MAX];

    snprintf(hit, sizeof(hit), "%s.hit", path);
    syscall(SYS_renameat, AT_FDCWD, path, AT_FDCWD, hit);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* The line of a moment that has not come yet; *last: there is none behind it. */
static char *next_moment(char *text, unsigned number, bool *last)
{
    char *rest = text, *line = strsep(&rest, "\n");

    while (number-- && rest && *rest)
        line = strsep(&rest, "\n");
    *last = !rest || !*rest;
    return line;
}

/* Dies, or returns whether this call is to be torn first. */
static bool is_moment(const char *phase, const char *operation, const char *file)
{
    const char *path = getenv("WEIR_DIE_AT");
    char text[MOMENTS], wanted_phase[8], wanted[16], pattern[256];
    bool last;

    if (!path || !read_moments(path, text))
        return false;
    unsigned n = atomic_load(&come);
    if (sscanf(next_moment(text, n, &last), "%7s %15s %255s", wanted_phase, wanted, pattern) != 3 ||
        strcmp(wanted_phase, phase) != 0 || strcmp(wanted, operation) != 0 ||
        fnmatch(pattern, file, 0) != 0)
        return false;
    if (!last) {
        atomic_compare_exchange_strong(&come, &n, n + 1);
        return false;
    }
    if (strcmp(phase, "torn") == 0)
        return true;
    die(path);
    return false;
}

/* ---- of which file? -------------------------------------------------------------------------- */

/* The path of a descriptor, and of a name in that folder. */
static const char *path_of(int fd, const char *name, char path[2 * PATH_MAX])
{
    char link[64];

    if (fd == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
        return path;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    if (name)
        snprintf(path + strlen(path), PATH_MAX, "/%s", name);
    return path;
}

static bool nobody_dies(void)
{
    const char *path = getenv("WEIR_DIE_AT");

    return !path || syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
}

/* `call` between the moments before and after it. */
#define AROUND(type, operation, fd, name, call)                                                    \
    char path[2 * PATH_MAX];                                                                       \
    if (nobody_dies())                                                                             \
        return (type)(call);                                                                       \
    path_of(fd, name, path);                                                                       \
    is_moment("before", operation, path);                                                          \
    const type result = (type)(call);                                                              \
    const int error = errno;                                                                       \
    if (result >= 0)                                                                               \
        is_moment("after", operation, path);                                                       \
    errno = error;                                                                                 \
    return result

/* ---- writes -----------------------------------------------------------------------------------
 */

static ssize_t write_now(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
}

static void write_half(int fd, const struct iovec *iov, int count, off_t offset)
{
    size_t half = 0;

    for (int i = 0; i < count; i++)
        half += iov[i].iov_len;
    half = half / 2 < PAGE_BYTES ? half / 2 : half / 2 / PAGE_BYTES * PAGE_BYTES;
    for (int i = 0; half; i++) {
        const struct iovec piece = { iov[i].iov_base,
                                     iov[i].iov_len < half ? iov[i].iov_len : half };
        write_now(fd, &piece, 1, offset, 0);
        offset += (off_t)piece.iov_len;
        half -= piece.iov_len;
    }
}

static ssize_t write_around(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    char file[2 * PATH_MAX];

    if (!nobody_dies() && is_moment("torn", "write", path_of(fd, NULL, file))) {
        write_half(fd, iov, count, offset);
        die(getenv("WEIR_DIE_AT"));
    }
    AROUND(ssize_t, "write", fd, NULL, write_now(fd, iov, count, offset, flags));
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return write_around(fd, iov, count, offset, 0);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return write_around(fd, iov, count, offset, flags);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    const struct iovec iov = { (void *)(uintptr_t)data, length };

    return write_around(fd, &iov, 1, offset, 0);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    AROUND(int, "zero", fd, NULL, syscall(SYS_fallocate, fd, mode, offset, length));
}

int ftruncate(int fd, off_t size)
{
    AROUND(int, "truncate", fd, NULL, syscall(SYS_ftruncate, fd, size));
}

/* ---- syncs and names --------------------------------------------------------------------------
 */

int fdatasync(int fd)
{
    AROUND(int, "sync", fd, NULL, syscall(SYS_fdatasync, fd));
}

int fsync(int fd)
{
    AROUND(int, "sync", fd, NULL, syscall(SYS_fsync, fd));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    AROUND(int, "rename", to_folder, to, syscall(SYS_renameat, from_folder, from, to_folder, to));
}

int unlinkat(int folder, const char *name, int flags)
{
    AROUND(int, "remove", folder, name, syscall(SYS_unlinkat, folder, name, flags));
}

/* Only where there was none is one made. */
int openat(int folder, const char *name, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const unsigned mode = flags & O_CREAT ? va_arg(more, unsigned) : 0;
    va_end(more);
    if (!(flags & O_CREAT) || syscall(SYS_faccessat, folder, name, F_OK) == 0)
        return (int)syscall(SYS_openat, folder, name, flags, mode);
    AROUND(int, "create", folder, name, syscall(SYS_openat, folder, name, flags, mode));
}

/* ---- the other site ---------------------------------------------------------------------------
 */

/* Who is told of an answer. */
struct told {
    nbd_completion_callback whom;
    const char *what;
};

static int answered(void *arg, int *error)
{
    const struct told *t = arg;

    is_moment("before", "answer", t->what);
    return t->whom.callback(t->whom.user_data, error);
}

static void forget(void *arg)
{
    struct told *t = arg;

    if (t->whom.free)
        t->whom.free(t->whom.user_data);
    free(t);
}

static nbd_completion_callback tell(nbd_completion_callback whom, const char *what)
{
    struct told *t = malloc(sizeof(*t));

    if (!t)
        abort();
    *t = (struct told){ whom, what };
    return (nbd_completion_callback){ .callback = answered, .user_data = t, .free = forget };
}

static void *real(const char *name)
{
    void *libnbd = dlopen("libnbd.so.0", RTLD_LAZY | RTLD_NOLOAD); /* whoever calls has it */
    void *function = libnbd ? dlsym(libnbd, name) : NULL;

    if (!function)
        abort();
    return function;
}

static const char *what_is_at(uint64_t offset)
{
    return offset >= HEADS_AT     ? "wire/head"
           : offset >= LOG_AT     ? "wire/frame"
           : offset >= NEEDS_AT   ? "wire/needs"
           : offset >= COMMAND_AT ? "wire/command"
                                  : "wire/status";
}

int64_t nbd_aio_pwrite(struct nbd_handle *h, const void *data, size_t length, uint64_t offset,
                       nbd_completion_callback done, uint32_t flags)
{
    int64_t (*call)(struct nbd_handle *, const void *, size_t, uint64_t, nbd_completion_callback,
                    uint32_t) = real("nbd_aio_pwrite");
    const char *what = what_is_at(offset);

    AROUND(int64_t, "send", AT_FDCWD, what, call(h, data, length, offset, tell(done, what), flags));
}

int64_t nbd_aio_pread(struct nbd_handle *h, void *data, size_t length, uint64_t offset,
                      nbd_completion_callback done, uint32_t flags)
{
    int64_t (*call)(struct nbd_handle *, void *, size_t, uint64_t, nbd_completion_callback,
                    uint32_t) = real("nbd_aio_pread");
    const char *what = what_is_at(offset);

    AROUND(int64_t, "send", AT_FDCWD, what, call(h, data, length, offset, tell(done, what), flags));
}

int64_t nbd_aio_flush(struct nbd_handle *h, nbd_completion_callback done, uint32_t flags)
{
    int64_t (*call)(struct nbd_handle *, nbd_completion_callback, uint32_t) = real("nbd_aio_flush");
    const char *what = "wire/flush";

    AROUND(int64_t, "send", AT_FDCWD, what, call(h, tell(done, what), flags));
}
