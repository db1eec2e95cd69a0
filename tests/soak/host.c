/* host.c - how does the host of a gateway become a bad one?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A library that the campaign preloads into a gateway.  The page that WEIR_SOAK_PAGE names says
 * what goes wrong now; host.py writes it.  Below WEIR_SOAK_ROOT, whose folders are told apart by
 * their first letter (disks, pool, state, vault, etc):
 *
 *   reads, writes and syncs fail by chance; a write may be half done before
 *   what a write replaces goes to the file WEIR_SOAK_UNDO first, and what is synced is said there:
 *   from that, host.py takes back what a loss of power would have
 *
 * Everywhere in the process: CLOCK_REALTIME is off by so much, and memory that weir's own code asks
 * for is refused by chance. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { READS = 1, WRITES = 2, SYNCS = 4, TORN = 8 }; /* page.what */

/* host.py has the same in struct's words. */
struct page {
    int64_t clock_ns;
    uint32_t memory; /* of a million */
    uint32_t chance; /* of a thousand operations on `folders` */
    uint32_t what, error;
    char folders[8]; /* first letters */
    _Atomic uint32_t refused_memory, refused_files;
};

static struct page nothing, *page = &nothing;
static char root[PATH_MAX];
static size_t root_length;
static int undo = -1;
/* Guards the order of records in the undo file; a sync's number is that of the last write before
 * it. */
static pthread_mutex_t undo_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t writes;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("WEIR_SOAK_PAGE"), *log = getenv("WEIR_SOAK_UNDO");
    const char *below = getenv("WEIR_SOAK_ROOT");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return;
    page = p;
    if (below)
        root_length = (size_t)snprintf(root, sizeof root, "%s/", below);
    if (log) /* a number that RLIMIT_NOFILE lets through, and that nobody else gets */
        undo = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Chance is the process's own: what fails is not repeated by a seed, only how often. */
static bool by_chance(uint32_t share, uint32_t of)
{
    static _Thread_local uint64_t state;

    if (!state)
        state = ((uint64_t)syscall(SYS_gettid) << 32) ^ (uint64_t)(uintptr_t)&state ^
                0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return share && state % of < share;
}

/* The first letter of the folder that a file is in; 0: it is none of ours. */
static char folder_of(int fd)
{
    char link[32], path[PATH_MAX];

    if (!root_length)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= (ssize_t)root_length || memcmp(path, root, root_length) != 0)
        return 0;
    path[n] = '\0';
    return path[root_length];
}

static bool fails(char folder, uint32_t what)
{
    if (!folder || !(page->what & what) || !strchr(page->folders, folder) ||
        !by_chance(page->chance, 1000))
        return false;
    atomic_fetch_add(&page->refused_files, 1);
    errno = (int)page->error;
    return true;
}

/* ---- what a loss of power takes back -------------------------------------------------------- */

struct record {
    char kind[8];                                /* "write", "sync", "range" */
    uint64_t number, inode, offset, length, old; /* `old` bytes follow; the others were none */
};

static void say(const struct record *r, const void *old)
{
    struct iovec iov[] = { { (void *)(uintptr_t)r, sizeof *r },
                           { (void *)(uintptr_t)old, r->old } };
    (void)!syscall(SYS_writev, undo, iov, r->old ? 2 : 1);
}

static bool is_kept(int fd, char folder, struct stat *st)
{
    return undo >= 0 && folder && strchr("dpsve", folder) && !fstat(fd, st) && S_ISREG(st->st_mode);
}

/* Its number, or 0 where nothing is kept. */
static uint64_t keep_old(int fd, char folder, uint64_t offset, uint64_t length)
{
    struct stat st;

    if (!length || !is_kept(fd, folder, &st))
        return 0;
    struct record r = { "write", 0, st.st_ino, offset, length, 0 };
    void *old = NULL;
    if (offset < (uint64_t)st.st_size) {
        char name[32];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        const int again = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
        if (again < 0) /* no number is free: then this one is as if it were synced */
            return 0;
        old = malloc(length);
        const long n = old ? syscall(SYS_pread64, again, old, length, offset) : 0;
        close(again);
        r.old = n > 0 ? (uint64_t)n : 0;
    }
    pthread_mutex_lock(&undo_lock);
    r.number = ++writes;
    say(&r, old);
    pthread_mutex_unlock(&undo_lock);
    free(old);
    return r.number;
}

static void now_durable(int fd, char folder, const char *kind, uint64_t number, uint64_t offset,
                        uint64_t length)
{
    struct stat st;

    if (!is_kept(fd, folder, &st))
        return;
    struct record r = { "", number, st.st_ino, offset, length, 0 };
    snprintf(r.kind, sizeof r.kind, "%s", kind);
    pthread_mutex_lock(&undo_lock);
    say(&r, NULL);
    pthread_mutex_unlock(&undo_lock);
}

/* ---- the calls that change files --------------------------------------------------------------
 */

static ssize_t do_write(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    const char folder = folder_of(fd);
    uint64_t length = 0, number;

    if (!folder)
        return syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
    for (int i = 0; i < count; i++)
        length += iov[i].iov_len;
    const off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    if (fails(folder, WRITES)) {
        const int error = errno;
        if ((page->what & TORN) && iov[0].iov_len > 4096 && at >= 0) {
            keep_old(fd, folder, (uint64_t)at, 4096);
            return syscall(SYS_pwrite64, fd, iov[0].iov_base, 4096,
                           at); /* the rest fails, or not */
        }
        errno = error;
        return -1;
    }
    number = at < 0 ? 0 : keep_old(fd, folder, (uint64_t)at, length);
    const ssize_t n = syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
    if (n > 0 && number && flags & RWF_DSYNC)
        now_durable(fd, folder, "range", number, (uint64_t)at, (uint64_t)n);
    return n;
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    return do_write(fd, iov, count, offset, flags);
}
ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return do_write(fd, iov, count, offset, 0);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    struct iovec iov = { (void *)(uintptr_t)data, length };
    return do_write(fd, &iov, 1, offset, 0);
}
ssize_t write(int fd, const void *data, size_t length)
{
    struct iovec iov = { (void *)(uintptr_t)data, length };
    return folder_of(fd) ? do_write(fd, &iov, 1, -1, 0) : syscall(SYS_write, fd, data, length);
}
ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
    return page->what & READS && fails(folder_of(fd), READS)
               ? -1
               : syscall(SYS_pread64, fd, data, length, offset);
}
ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    return page->what & READS && fails(folder_of(fd), READS)
               ? -1
               : syscall(SYS_preadv, fd, iov, count, offset, 0);
}
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    const char folder = folder_of(fd);

    if (fails(folder, WRITES))
        return -1;
    if (folder && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        keep_old(fd, folder, (uint64_t)offset, (uint64_t)length);
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

static int do_sync(int fd, long call)
{
    const char folder = folder_of(fd);

    pthread_mutex_lock(&undo_lock);
    const uint64_t before = writes;
    pthread_mutex_unlock(&undo_lock);
    if (fails(folder, SYNCS))
        return -1;
    /* The campaign decides what is durable, not the host's disk, whose syncs take their time. */
    (void)call;
    now_durable(fd, folder, "sync", before, 0, 0);
    return 0;
}
int fsync(int fd)
{
    return do_sync(fd, SYS_fsync);
}
int fdatasync(int fd)
{
    return do_sync(fd, SYS_fdatasync);
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));
ssize_t pwritev64v2(int, const struct iovec *, int, off_t, int) __attribute__((alias("pwritev2")));
ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));
ssize_t preadv64(int, const struct iovec *, int, off_t) __attribute__((alias("preadv")));
int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));

/* ---- the clock on the wall ----------------------------------------------------------------------
 */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const int r = (int)syscall(SYS_clock_gettime, clock, now);

    if (!r && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && page->clock_ns) {
        const int64_t ns = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + page->clock_ns;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return r;
}
int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *now = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
    return 0;
}
time_t time(time_t *into)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (into)
        *into = t.tv_sec;
    return t.tv_sec;
}

/* ---- memory
 * ---------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* Others may end the process when they get none (glib, GnuTLS): that is theirs. */
static bool is_ours(void *caller)
{
    Dl_info info;
    const char *name;

    if (!dladdr(caller, &info) || !info.dli_fname)
        return false;
    if (strncmp(info.dli_fname, "/proc/", 6) == 0) /* the loader's copy of a filter */
        return true;
    name = strrchr(info.dli_fname, '/');
    return name && (strstr(name, "weir-filter-") || strstr(name, "weir-plugin"));
}
static bool refused(void *caller)
{
    if (!page->memory || !by_chance(page->memory, 1000000) || !is_ours(caller))
        return false;
    atomic_fetch_add(&page->refused_memory, 1);
    errno = ENOMEM;
    return true;
}
void *malloc(size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}
void *realloc(void *old, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
int posix_memalign(void **into, size_t align, size_t size)
{
    void *p = refused(__builtin_return_address(0)) ? NULL : __libc_memalign(align, size);

    if (!p)
        return ENOMEM;
    *into = p;
    return 0;
}
void *aligned_alloc(size_t align, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_memalign(align, size);
}
