/* store-file-io.c - how do bytes reach the image, and when are they there to stay?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "events.h"
#include "request.h" /* nbd_errno() */
#include "scope.h"
#include "stores.h"

enum { BOUNCE = 1 << 20, BOUNCE_ALIGN = 4096 };

/* ---- plain transfers ----------------------------------------------------------- */

static int read_all(struct file_store *f, char *data, uint64_t length, uint64_t offset)
{
    while (length) {
        ssize_t n = pread(f->fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -nbd_errno(errno);
        /* inside the size: somebody has cut the image, and zeroes would be a lie */
        if (n == 0)
            return -EIO;
        data += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

static int write_all(struct file_store *f, const char *data, uint64_t length, uint64_t offset,
                     int flags)
{
    while (length) {
        struct iovec piece = { .iov_base = (void *)(uintptr_t)data, .iov_len = length };
        ssize_t n = flags ? pwritev2(f->fd, &piece, 1, (off_t)offset, flags)
                          : pwrite(f->fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

/* RWF_DSYNC makes this range durable, and no more than this range. */
static int write_through(struct file_store *f, const char *data, uint64_t length, uint64_t offset,
                         bool durable)
{
    if (durable && !atomic_load_explicit(&f->no_dsync, memory_order_relaxed)) {
        int r = write_all(f, data, length, offset, RWF_DSYNC);
        if (r != -EOPNOTSUPP && r != -ENOSYS)
            return -nbd_errno(r);
        atomic_store_explicit(&f->no_dsync, true, memory_order_relaxed);
    }
    int r = -nbd_errno(write_all(f, data, length, offset, 0));
    return r == 0 && durable ? file_flush(f) : r;
}

/* ---- direct I/O from memory that is not aligned ---------------------------------- */

static int bounced(struct file_store *f, char *into, const char *from, uint64_t length,
                   uint64_t offset, bool durable)
{
    size_t piece = length < BOUNCE ? length : BOUNCE;
    cleanup_free void *buffer = NULL;
    int r = 0;

    if (posix_memalign(&buffer, f->memory_align > BOUNCE_ALIGN ? f->memory_align : BOUNCE_ALIGN,
                       piece))
        return -ENOMEM;
    for (uint64_t done = 0; done < length && r == 0; done += piece) {
        if (piece > length - done)
            piece = length - done;
        if (into) {
            r = read_all(f, buffer, piece, offset + done);
            if (r == 0)
                memcpy(into + done, buffer, piece);
        } else {
            memcpy(buffer, from + done, piece);
            r = write_through(f, buffer, piece, offset + done, durable);
        }
    }
    return r;
}

static bool aligned(const struct file_store *f, const void *data)
{
    return ((uintptr_t)data & (f->memory_align - 1)) == 0;
}

int file_store_read(struct file_store *f, void *data, uint64_t length, uint64_t offset)
{
    return aligned(f, data) ? read_all(f, data, length, offset)
                            : bounced(f, data, NULL, length, offset, false);
}

int file_store_write(struct file_store *f, const void *data, uint64_t length, uint64_t offset,
                     bool durable)
{
    if (durable) {
        /* the bytes that a filter's FUA write builds on may be gone */
        hold_lock(&f->sync_lock);
        if (f->lost)
            return -EIO;
    }
    return aligned(f, data) ? write_through(f, data, length, offset, durable)
                            : bounced(f, NULL, data, length, offset, durable);
}

/* ---- durability ------------------------------------------------------------------- */

static int sync_round(struct file_store *f)
{
    int r = 0;

    f->syncing = true;
    f->rounds_begun++;
    pthread_mutex_unlock(&f->sync_lock);
    if (fdatasync(f->sync_fd) < 0)
        r = -errno;
    pthread_mutex_lock(&f->sync_lock);
    f->syncing = false;
    f->rounds_ended = f->rounds_begun;
    if (r < 0)
        f->lost = true;
    pthread_cond_broadcast(&f->synced);
    return r;
}

/* One fdatasync runs at a time and answers for every flush that came before it began.
 * The kernel reports a failed write-back once and calls the pages clean: were two to run
 * side by side, one would fail and the other succeed for the same lost bytes.  For the
 * same reason no flush succeeds after one has failed. */
int file_flush(struct file_store *f)
{
    int error = 0;

    pthread_mutex_lock(&f->sync_lock);
    uint64_t needed = f->rounds_begun + 1;
    while (!f->lost && f->rounds_ended < needed) {
        if (f->syncing)
            pthread_cond_wait(&f->synced, &f->sync_lock);
        else
            error = -sync_round(f);
    }
    bool lost = f->lost;
    pthread_mutex_unlock(&f->sync_lock);
    if (error)
        event_post(WEIR_ERROR, NULL, NULL,
                   "image %s: fdatasync: %s: acknowledged writes may be lost; no flush will "
                   "succeed until the image has been checked and opened again",
                   f->image, strerror(error));
    return error ? -nbd_errno(error) : lost ? -EIO : 0;
}

/* ---- requests ------------------------------------------------------------------------ */

int file_serve(void *self, struct weir_request *req)
{
    struct file_store *f = self;
    bool durable = req->flags & WEIR_FUA;
    int r;

    if (f->read_only && (WEIR_CHANGES & WEIR_OP(req->op)))
        return -EPERM;
    switch (req->op) {
    case WEIR_READ:
        return file_store_read(f, req->data, req->length, req->offset);
    case WEIR_WRITE:
        return file_store_write(f, req->data, req->length, req->offset, durable);
    case WEIR_FLUSH:
        return file_flush(f);
    case WEIR_TRIM:
        r = file_trim(f, req->length, req->offset);
        return r == 0 && durable ? file_flush(f) : r;
    case WEIR_ZERO:
        r = file_zero(f, req->length, req->offset, req->flags);
        return r == 0 && durable ? file_flush(f) : r;
    case WEIR_PREFETCH:
        /* advice: an image that cannot be advised upon is read later, that is all */
        posix_fadvise(f->fd, (off_t)req->offset, (off_t)req->length, POSIX_FADV_WILLNEED);
        return 0;
    case WEIR_EXTENTS:
        return file_extents(f, req);
    case WEIR_OP_COUNT:
        break;
    }
    return -EINVAL;
}
