/* store-file-space.c - which parts of the image take room, and how are they given back?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "request.h" /* nbd_errno() */
#include "stores.h"

/* what is written where nothing quicker makes zeroes; aligned for direct I/O */
static const char zeroes[1 << 16] __attribute__((aligned(4096)));

/* -ENOTSUP once the file system has said so, without asking it again. */
static int change_blocks(struct file_store *f, int mode, uint64_t length, uint64_t offset,
                         atomic_bool *unable)
{
    int r;

    if (atomic_load_explicit(unable, memory_order_relaxed))
        return -ENOTSUP;
    do
        r = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS && errno != ENODEV)
        return -nbd_errno(errno);
    atomic_store_explicit(unable, true, memory_order_relaxed);
    return -ENOTSUP;
}

/* The sectors that lie whole in a range; none: *length is 0. */
static void whole_sectors(const struct file_store *f, uint64_t *offset, uint64_t *length)
{
    uint64_t start = (*offset + f->sector - 1) / f->sector * f->sector;
    uint64_t end = (*offset + *length) / f->sector * f->sector;

    *offset = start;
    *length = end > start ? end - start : 0;
}

int file_trim(struct file_store *f, uint64_t length, uint64_t offset)
{
    whole_sectors(f, &offset, &length);
    if (!f->punch || !length)
        return 0;
    int r = f->is_device ? device_discard(f->fd, offset, length)
                         : change_blocks(f, FALLOC_FL_PUNCH_HOLE, length, offset, &f->no_punch);
    /* a trim is advice: where nothing can be given back, nothing is */
    return r == -EOPNOTSUPP || r == -ENOTSUP ? 0 : -nbd_errno(r);
}

static int write_zeroes(struct file_store *f, uint64_t length, uint64_t offset)
{
    int r = 0;

    while (length && r == 0) {
        uint64_t piece = length < sizeof zeroes ? length : sizeof zeroes;
        r = file_store_write(f, zeroes, piece, offset, false);
        offset += piece;
        length -= piece;
    }
    return r;
}

/* fallocate() on a block device: PUNCH_HOLE unmaps with zeroes or fails at once,
 * ZERO_RANGE zeroes without unmapping, by writing if it must; so only the first is fast. */
static int zero_sectors(struct file_store *f, uint64_t length, uint64_t offset, uint32_t flags)
{
    bool fast = flags & WEIR_FAST_ZERO;
    int r = -ENOTSUP;

    if (f->punch && (flags & WEIR_MAY_TRIM))
        r = change_blocks(f, FALLOC_FL_PUNCH_HOLE, length, offset, &f->no_punch);
    if (r == -ENOTSUP && !(fast && f->is_device))
        r = change_blocks(f, FALLOC_FL_ZERO_RANGE, length, offset, &f->no_zero_range);
    if (r == -ENOTSUP && !fast)
        r = write_zeroes(f, length, offset);
    return r;
}

int file_zero(struct file_store *f, uint64_t length, uint64_t offset, uint32_t flags)
{
    uint64_t start = offset, size = length, end = offset + length;
    int r = 0;

    whole_sectors(f, &start, &size);
    if (!size)
        return write_zeroes(f, length, offset);
    r = zero_sectors(f, size, start, flags);
    if (r == 0)
        r = write_zeroes(f, start - offset, offset);
    return r == 0 ? write_zeroes(f, end - (start + size), start + size) : r;
}

/* The file position that lseek() moves is used by nobody: data moves by pread/pwrite. */
static int64_t seek(const struct file_store *f, uint64_t from, int what, uint64_t end)
{
    off_t at = lseek(f->fd, (off_t)from, what);

    if (at < 0 && errno == ENXIO) /* no more data behind `from` */
        return (int64_t)end;
    if (at < 0)
        return -errno;
    return (uint64_t)at < end ? (int64_t)at : (int64_t)end;
}

int file_extents(struct file_store *f, const struct weir_request *req)
{
    uint64_t at = req->offset, end = req->offset + req->length;

    if (f->is_device)
        return weir_add_extent(req->data, at, req->length, 0);
    while (at < end) {
        int64_t data = seek(f, at, SEEK_DATA, end);
        if (data == -EINVAL || data == -EOPNOTSUPP) /* cannot tell: all is data */
            return weir_add_extent(req->data, at, end - at, 0);
        if (data < 0)
            return -nbd_errno((int)data);
        bool hole = (uint64_t)data > at;
        int64_t next = hole ? data : seek(f, at, SEEK_HOLE, end);
        if (next < 0)
            return -nbd_errno((int)next);
        if ((uint64_t)next == at) /* punched between the two questions: ask again */
            continue;
        int r = weir_add_extent(req->data, at, (uint64_t)next - at,
                                hole ? WEIR_HOLE | WEIR_READS_ZERO : 0);
        if (r < 0 || (req->flags & WEIR_ONE_EXTENT))
            return r;
        at = (uint64_t)next;
    }
    return 0;
}
