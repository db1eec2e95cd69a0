/* media.c - how is a file or a block device read, written and taken for one process?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "media.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct media media;
    int fd;
    /* Guards `syncing` and `failed`; a leaf, not held while the kernel syncs. */
    pthread_mutex_t lock;
    pthread_cond_t turn;
    bool syncing; /* one at a time: the kernel tells of an error once, and not whom it concerns */
    int failed;
};

/* ---- bytes --------------------------------------------------------------------------- */

static int file_read(struct media *m, void *data, size_t length, uint64_t offset)
{
    struct file *f = (struct file *)m;

    while (length) {
        ssize_t n = pread(f->fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            return -EIO; /* the file has become shorter */
        data = (char *)data + n;
        length -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* What is left of `iov` behind its first `skip` bytes, as much as one call takes. */
enum { PIECES = 256 }; /* less than IOV_MAX: they lie on the stack */
static int next_pieces(const struct iovec **iov, int *count, size_t *skip, struct iovec *piece)
{
    while (*count && *skip >= (*iov)->iov_len) {
        *skip -= (*iov)->iov_len;
        ++*iov;
        --*count;
    }
    int n = *count < PIECES ? *count : PIECES;
    for (int i = 0; i < n; i++)
        piece[i] = (*iov)[i];
    if (n) {
        piece->iov_base = (char *)piece->iov_base + *skip;
        piece->iov_len -= *skip;
    }
    return n;
}

static int file_write(struct media *m, const struct iovec *iov, int count, uint64_t offset)
{
    struct file *f = (struct file *)m;
    struct iovec piece[PIECES];
    size_t skip = 0;

    for (int n; (n = next_pieces(&iov, &count, &skip, piece)) > 0;) {
        ssize_t done = pwritev(f->fd, piece, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (!done)
            return -EIO;
        skip += (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

static int file_sync(struct media *m)
{
    struct file *f = (struct file *)m;

    pthread_mutex_lock(&f->lock);
    while (f->syncing)
        pthread_cond_wait(&f->turn, &f->lock);
    int r = f->failed;
    f->syncing = !r;
    pthread_mutex_unlock(&f->lock);
    if (r)
        return r;
    if (fdatasync(f->fd))
        r = -errno;
    pthread_mutex_lock(&f->lock);
    f->syncing = false;
    f->failed = r;
    pthread_cond_broadcast(&f->turn);
    pthread_mutex_unlock(&f->lock);
    return r;
}

static void file_close(struct media *m)
{
    struct file *f = (struct file *)m;

    close(f->fd); /* and with it the lock goes */
    pthread_cond_destroy(&f->turn);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- open ---------------------------------------------------------------------------- */

static int refuse(char why[WHY], const char *path, const char *what, int error)
{
    why_print(why, "%s %s: %s", path, what, strerror(-error));
    return error;
}

static int take(int fd, const char *path, char why[WHY])
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (!fcntl(fd, F_OFD_SETLK, &lock))
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return refuse(why, path, "cannot be locked", -errno);
    /* the kernel does not say who holds a lock of an open file */
    why_print(why,
              "%s is in use by another gateway or program: a pool belongs to one process "
              "(lsof %s names it)",
              path, path);
    return -EBUSY;
}

int media_taken(const char *path)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int r = fcntl(fd, F_OFD_GETLK, &lock) ? -errno : lock.l_type != F_UNLCK;
    close(fd);
    return r;
}

/* A new name is to survive a crash, as what is in the file does. */
static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    int r = -ENOMEM;

    if (!copy)
        return r;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return r;
}

static int allocate(int fd, uint64_t from, uint64_t size)
{
    int r;

    do
        r = posix_fallocate(fd, (off_t)from, (off_t)(size - from));
    while (r == EINTR);
    return -r;
}

static int file_size(int fd, const char *path, uint64_t wanted, bool grow, uint64_t *size,
                     char why[WHY])
{
    struct stat st;

    if (fstat(fd, &st))
        return refuse(why, path, "cannot be looked at", -errno);
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, size))
            return refuse(why, path, "does not say its size", -errno);
        if (!grow || wanted <= *size)
            return 0;
        why_print(why, "%s has %" PRIu64 " bytes, not %" PRIu64 ": make the pool's size smaller",
                  path, *size, wanted);
        return -ENOSPC;
    }
    if (!S_ISREG(st.st_mode)) {
        why_print(why, "%s is neither a file nor a block device", path);
        return -EINVAL;
    }
    *size = (uint64_t)st.st_size;
    if (!grow || wanted <= *size)
        return 0;
    int r = allocate(fd, *size, wanted);
    if (!r && fsync(fd))
        r = -errno;
    if (r) {
        why_print(why, "%s cannot have %" PRIu64 " bytes: %s", path, wanted, strerror(-r));
        if (ftruncate(fd, st.st_size)) { /* what was allocated stays: nothing reads it */
        }
        return r;
    }
    *size = wanted;
    return 0;
}

/* *made: the file did not exist. */
static int open_path(const char *path, uint64_t size, unsigned flags, bool *made, char why[WHY])
{
    struct stat st;
    int mode = (flags & MEDIA_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC;

    *made = false;
    /* a device that is mounted, or part of another, is not ours */
    if (!(flags & MEDIA_READ_ONLY) && !stat(path, &st) && S_ISBLK(st.st_mode))
        mode |= O_EXCL;
    int fd = open(path, mode | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd >= 0)
        return fd;
    if (errno == EBUSY) {
        why_print(why, "%s is in use: it is mounted, part of another device or a pool already",
                  path);
        return -EBUSY;
    }
    if (errno != ENOENT || !(flags & MEDIA_CREATE))
        return refuse(why, path, "cannot be opened", -errno);
    if (!size) {
        why_print(why, "%s does not exist: give the pool a size, so that it can be made", path);
        return -ENOENT;
    }
    fd = open(path, mode | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return refuse(why, path, "cannot be made", -errno);
    *made = true;
    return fd;
}

static int prepare(struct file *f, const char *path, uint64_t size, unsigned flags, bool made,
                   char why[WHY])
{
    const bool writes = !(flags & MEDIA_READ_ONLY);
    int r = writes ? take(f->fd, path, why) : 0;

    if (!r)
        r = file_size(f->fd, path, size, writes, &f->media.size, why);
    if (r || !made)
        return r;
    r = sync_folder(path);
    return r ? refuse(why, path, "cannot be made durable", r) : 0;
}

int media_open(const char *path, uint64_t size, unsigned flags, struct media **ret, char why[WHY])
{
    struct file *f = calloc(1, sizeof(*f));
    bool made;

    if (!f)
        return refuse(why, path, "cannot be opened", -ENOMEM);
    f->media = (struct media){
        .read = file_read,
        .write = file_write,
        .sync = file_sync,
        .close = file_close,
    };
    f->fd = open_path(path, size, flags, &made, why);
    if (f->fd < 0) {
        int r = f->fd;
        free(f);
        return r;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->turn, NULL);
    int r = prepare(f, path, size, flags, made, why);
    if (r) {
        if (made)
            unlink(path);
        file_close(&f->media);
        return r;
    }
    *ret = &f->media;
    return 0;
}

/* ---- for those who have one piece ------------------------------------------------------ */

int media_read(struct media *m, void *data, size_t length, uint64_t offset)
{
    return m->read(m, data, length, offset);
}

int media_write(struct media *m, const void *data, size_t length, uint64_t offset)
{
    const struct iovec iov = { (void *)data, length };

    return m->write(m, &iov, 1, offset);
}

int media_sync(struct media *m)
{
    return m->sync(m);
}
