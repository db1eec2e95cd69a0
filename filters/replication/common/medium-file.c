/* medium-file.c - how is a file or a block device read, written and taken for one process?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct medium_file file;
    struct syncer syncer;
    int fd;
    bool device;
};

/* ---- syncs ---------------------------------------------------------------------------------- */

void syncer_init(struct syncer *s)
{
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->done, NULL);
    s->begun = s->ended = 0;
    s->failed = 0;
}

void syncer_finish(struct syncer *s)
{
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
}

int syncer_sync(struct syncer *s, int fd, int (*sync)(int fd))
{
    pthread_mutex_lock(&s->lock);
    const uint64_t mine = s->begun + 1; /* one that runs now may have missed our bytes */
    while (s->ended < mine && !s->failed) {
        if (s->begun != s->ended) {
            pthread_cond_wait(&s->done, &s->lock);
            continue;
        }
        s->begun++;
        pthread_mutex_unlock(&s->lock);
        int r = sync(fd) ? -errno : 0;
        pthread_mutex_lock(&s->lock);
        s->ended++;
        s->failed = r;
        pthread_cond_broadcast(&s->done);
    }
    int r = s->failed;
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int real_read(struct medium_file *m, void *data, size_t length, uint64_t offset)
{
    struct file *f = (struct file *)m;

    while (length) {
        ssize_t n = pread(f->fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n) {
            memset(data, 0, length);
            return 0;
        }
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

static int real_write(struct medium_file *m, const struct iovec *iov, int count, uint64_t offset)
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

static int real_size(struct medium_file *m, uint64_t *ret)
{
    struct file *f = (struct file *)m;
    struct stat st;

    if (f->device)
        return ioctl(f->fd, BLKGETSIZE64, ret) ? -errno : 0;
    if (fstat(f->fd, &st))
        return -errno;
    *ret = (uint64_t)st.st_size;
    return 0;
}

static int write_zeroes(struct medium_file *m, uint64_t length, uint64_t offset)
{
    static const uint8_t zeroes[65536]; /* never written */
    struct iovec iov[PIECES];

    while (length) {
        int n = 0;
        uint64_t sum = 0;
        for (; n < PIECES && sum < length; n++) {
            const uint64_t left = length - sum;
            iov[n] =
                (struct iovec){ (void *)zeroes, left < sizeof(zeroes) ? left : sizeof(zeroes) };
            sum += iov[n].iov_len;
        }
        int r = real_write(m, iov, n, offset);
        if (r)
            return r;
        offset += sum;
        length -= sum;
    }
    return 0;
}

static int punch(int fd, uint64_t length, uint64_t offset)
{
    while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length))
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Never makes a file longer: what lies past its end reads as zeroes. */
static int real_zero(struct medium_file *m, uint64_t length, uint64_t offset)
{
    struct file *f = (struct file *)m;
    uint64_t size;

    int r = real_size(m, &size);
    if (r || offset >= size)
        return r;
    if (length > size - offset)
        length = size - offset;
    r = length ? punch(f->fd, length, offset) : 0;
    /* a device punches whole blocks only: EINVAL */
    if (r == -EOPNOTSUPP || r == -ENOSYS || (r == -EINVAL && f->device))
        r = write_zeroes(m, length, offset);
    return r;
}

/* A device has the size that it has: one that is large enough will do. */
static int real_truncate(struct medium_file *m, uint64_t size)
{
    struct file *f = (struct file *)m;
    uint64_t has;

    if (!f->device) {
        while (ftruncate(f->fd, (off_t)size))
            if (errno != EINTR)
                return -errno;
        return 0;
    }
    int r = real_size(m, &has);
    return r ? r : size <= has ? 0 : -ENOSPC;
}

static int real_sync(struct medium_file *m)
{
    struct file *f = (struct file *)m;

    return syncer_sync(&f->syncer, f->fd, fdatasync);
}

/* What does not tell holes from data (a device, some file systems) is data from end to end. */
static int real_data(struct medium_file *m, uint64_t offset, uint64_t *start, uint64_t *length)
{
    struct file *f = (struct file *)m;
    uint64_t size;

    *start = offset;
    *length = 0;
    int r = real_size(m, &size);
    if (r || offset >= size)
        return r;
    off_t data = lseek(f->fd, (off_t)offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return 0;
    if (data < 0 && errno != EINVAL && errno != EOPNOTSUPP)
        return -errno;
    off_t hole = data < 0 ? -1 : lseek(f->fd, data, SEEK_HOLE);
    *start = data < 0 ? offset : (uint64_t)data;
    *length = (hole < 0 ? size : (uint64_t)hole) - *start;
    return 0;
}

static void real_close(struct medium_file *m)
{
    struct file *f = (struct file *)m;

    close(f->fd); /* and with it its lock goes */
    syncer_finish(&f->syncer);
    free(f);
}

/* ---- open ----------------------------------------------------------------------------------- */

/* The whole file, as the store of type file does: neither it nor QEMU can start while we run. */
static int take(int fd, bool writes)
{
    struct flock lock = { .l_type = writes ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

    if (!fcntl(fd, F_OFD_SETLK, &lock))
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

static int open_name(int at, const char *name, unsigned flags, bool *device)
{
    struct stat st;
    int mode = (flags & MEDIUM_READ_ONLY ? O_RDONLY : O_RDWR) | O_CLOEXEC;

    *device = !fstatat(at, name, &st, 0) && S_ISBLK(st.st_mode);
    if (*device)
        mode |= flags & MEDIUM_EXCLUSIVE ? O_EXCL : 0; /* not one that is mounted */
    else
        mode |= flags & MEDIUM_CREATE ? O_CREAT : 0;
    int fd = openat(at, name, mode | O_NONBLOCK, 0600); /* a pipe is refused, not waited for */
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) ? -errno : 0;
    /* it may have been exchanged meanwhile */
    if (!r && !(*device ? S_ISBLK(st.st_mode) : S_ISREG(st.st_mode)))
        r = -EINVAL;
    if (!r && flags & MEDIUM_EXCLUSIVE)
        r = take(fd, !(flags & MEDIUM_READ_ONLY));
    if (!r)
        return fd;
    close(fd);
    return r;
}

int medium_file_open(int at, const char *name, unsigned flags, struct medium_file **ret)
{
    struct file *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->file = (struct medium_file){
        .read = real_read,
        .write = real_write,
        .zero = real_zero,
        .truncate = real_truncate,
        .sync = real_sync,
        .data = real_data,
        .size = real_size,
        .close = real_close,
    };
    f->fd = open_name(at, name, flags, &f->device);
    if (f->fd < 0) {
        int r = f->fd;
        free(f);
        return r;
    }
    syncer_init(&f->syncer);
    *ret = &f->file;
    return 0;
}
