/* act.c - what is done to files, and what does that make of their models?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The system call comes first, and only what it says to have done is in the model. */
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char buffer[128 * 1024] __attribute__((aligned(BLOCK))); /* one thread */

/* ---- where, and what ---------------------------------------------------------------------- */

struct range {
    size_t from, length;
};

/* Small ones as often as large ones, at block borders as often as beside them; within `end`. */
static struct range choose_range(struct worker *w, size_t end, size_t grain)
{
    size_t most = (size_t)1 << random_below(&w->random, 18), from, length;

    if (most > sizeof buffer)
        most = sizeof buffer;
    from = random_below(&w->random, end);
    if (grain == 1 && random_below(&w->random, 3) == 0)
        grain = 512;
    from -= from % grain;
    length = 1 + random_below(&w->random, most);
    length += (grain - length % grain) % grain;
    if (length > end - from)
        length = end - from;
    return (struct range){ .from = from, .length = length };
}

static void fill(struct worker *w, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = random_next(&w->random);
        memcpy(buffer + i, &word, 8); /* its size is a multiple of 8 */
    }
}

static void grow_to(struct file *f, size_t size)
{
    if (size > f->size)
        f->size = size;
}

static int fails(void)
{
    return errno ? -errno : -EIO;
}

/* ---- reads and writes ----------------------------------------------------------------------- */

static int write_at(struct worker *w, struct file *f, const char *name, int fd, struct range r)
{
    fill(w, r.length);
    errno = 0;
    ssize_t n = pwrite(fd, buffer, r.length, (off_t)r.from);
    file_touch(f, &w->at, name, r.from, r.from + r.length);
    if (n < 0)
        return fails();
    memcpy(f->data + r.from, buffer, (size_t)n);
    grow_to(f, r.from + (size_t)n);
    return (size_t)n == r.length ? 0 : fails();
}

static int act_write(struct worker *w, struct file *f)
{
    return write_at(w, f, "write", f->fd, choose_range(w, f->limit, 1));
}

static int act_append(struct worker *w, struct file *f)
{
    struct range r = choose_range(w, f->limit, 1);

    if (r.length > f->limit - f->size)
        return 0;
    r.from = f->size;
    return write_at(w, f, "append", f->fd, r);
}

/* Nothing of the file is in memory meanwhile: Linux may find that it cannot drop what is, "Direct
 * I/O collision with buffered writes", and fails the next fsync() although the disk has all. */
static int act_write_direct(struct worker *w, struct file *f)
{
    if (f->direct < 0)
        return -EOPNOTSUPP;
    if (fdatasync(f->fd) < 0)
        return -errno;
    posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    return write_at(w, f, "direct write", f->direct, choose_range(w, f->limit, BLOCK));
}

static int read_at(struct worker *w, struct file *f, int direct, size_t grain)
{
    if (f->size == 0)
        return 0;
    struct range r = choose_range(w, f->limit, grain);
    size_t there = r.from >= f->size ? 0 : f->size - r.from;
    errno = 0;
    ssize_t n = file_read(f, direct, buffer, r.from, r.length);
    if (n < 0)
        return fails();
    if (there > r.length)
        there = r.length;
    if ((size_t)n == there)
        return file_judge(f, &w->at, buffer, r.from, there);
    return say_short(f, &w->at, r.from, there, n);
}

static int act_read(struct worker *w, struct file *f)
{
    return read_at(w, f, 0, 1);
}

static int act_read_direct(struct worker *w, struct file *f)
{
    return f->direct < 0 ? -EOPNOTSUPP : read_at(w, f, 1, BLOCK);
}

static int act_map(struct worker *w, struct file *f)
{
    if (f->size == 0)
        return 0;
    struct range r = choose_range(w, f->size, 1);
    size_t before = r.from % BLOCK, length = before + r.length;
    unsigned char *map =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)(r.from - before));
    int status;

    if (map == MAP_FAILED)
        return errno == ENODEV ? -EOPNOTSUPP : -errno;
    status = file_judge(f, &w->at, map + before, r.from, r.length);
    if (status == 0) {
        fill(w, r.length);
        file_touch(f, &w->at, "write by mmap", r.from, r.from + r.length);
        memcpy(map + before, buffer, r.length);
        memcpy(f->data + r.from, buffer, r.length);
        if (random_below(&w->random, 4) == 0 && msync(map, length, MS_SYNC) < 0)
            status = -errno;
    }
    munmap(map, length);
    return status;
}

/* ---- sizes, holes and what is behind them ---------------------------------------------------- */

static int act_truncate(struct worker *w, struct file *f)
{
    size_t size = random_below(&w->random, f->limit + 1);
    size_t low = size < f->size ? size : f->size, high = size < f->size ? f->size : size;
    int by_path = random_below(&w->random, 2) == 0;

    file_touch(f, &w->at, by_path ? "truncate" : "ftruncate", low, high);
    if ((by_path ? truncate(f->path, (off_t)size) : ftruncate(f->fd, (off_t)size)) < 0)
        return -errno;
    file_resize(f, size);
    return 0;
}

static int allocate(struct worker *w, struct file *f, const char *name, int mode, struct range r)
{
    file_touch(f, &w->at, name, r.from, r.from + r.length);
    return fallocate(f->fd, mode, (off_t)r.from, (off_t)r.length) < 0 ? -errno : 0;
}

static int act_allocate(struct worker *w, struct file *f)
{
    struct range r = choose_range(w, f->limit, 1);
    int mode = random_below(&w->random, 2) ? FALLOC_FL_KEEP_SIZE : 0;
    int status = allocate(w, f, "fallocate", mode, r);

    if (status == 0 && mode == 0)
        grow_to(f, r.from + r.length);
    return status;
}

static int act_punch(struct worker *w, struct file *f)
{
    struct range r = choose_range(w, f->limit, 1);
    int status = allocate(w, f, "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r);

    if (status == 0)
        file_zero(f, r.from, r.from + r.length);
    return status;
}

static int act_zero(struct worker *w, struct file *f)
{
    struct range r = choose_range(w, f->limit, 1);
    int keep = random_below(&w->random, 2) ? FALLOC_FL_KEEP_SIZE : 0;
    int status = allocate(w, f, "zero range", FALLOC_FL_ZERO_RANGE | keep, r);

    if (status < 0)
        return status;
    file_zero(f, r.from, r.from + r.length);
    if (!keep)
        grow_to(f, r.from + r.length);
    return 0;
}

/* What is taken out must end before the file does. */
static int act_collapse(struct worker *w, struct file *f)
{
    if (f->size <= 2 * BLOCK)
        return 0;
    struct range r = choose_range(w, f->size, BLOCK);
    if (r.length == 0 || r.length % BLOCK || r.from + r.length >= f->size)
        return 0;
    int status = allocate(w, f, "collapse", FALLOC_FL_COLLAPSE_RANGE, r);
    if (status < 0)
        return status;
    file_touch(f, &w->at, "collapse before it", r.from, f->size);
    memmove(f->data + r.from, f->data + r.from + r.length, f->size - r.from - r.length);
    file_resize(f, f->size - r.length);
    return 0;
}

static int act_insert(struct worker *w, struct file *f)
{
    if (f->size <= BLOCK)
        return 0;
    struct range r = choose_range(w, f->size, BLOCK);
    if (r.length == 0 || r.length % BLOCK || r.length > f->limit - f->size)
        return 0;
    int status = allocate(w, f, "insert", FALLOC_FL_INSERT_RANGE, r);
    if (status < 0)
        return status;
    file_touch(f, &w->at, "insert before it", r.from, f->size + r.length);
    memmove(f->data + r.from + r.length, f->data + r.from, f->size - r.from);
    file_zero(f, r.from, r.from + r.length);
    f->size += r.length;
    return 0;
}

/* From one of its files to another, in the kernel. */
static int act_copy(struct worker *w, struct file *f)
{
    struct file *from = &w->files[random_below(&w->random, FILES)];

    if (from == f || from->size == 0)
        return 0;
    struct range r = choose_range(w, from->size, 1);
    off_t in = (off_t)r.from, out = (off_t)random_below(&w->random, f->limit - r.length + 1);
    size_t to = (size_t)out;
    ssize_t n = copy_file_range(from->fd, &in, f->fd, &out, r.length, 0);

    file_touch(f, &w->at, "copy_file_range", to, to + r.length);
    if (n < 0)
        return errno == EXDEV ? -EOPNOTSUPP : -errno;
    memcpy(f->data + to, from->data + r.from, (size_t)n);
    grow_to(f, to + (size_t)n);
    return 0;
}

/* ---- names, and what makes all durable ---------------------------------------------------------
 */

static void new_name(struct worker *w, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%u-%" PRIu64, w->folder, w->at.worker, w->names++);
}

int worker_create_file(struct worker *w, struct file *f, size_t limit)
{
    char path[PATH_MAX];

    new_name(w, path);
    return file_create(f, path, limit);
}

static int act_rename(struct worker *w, struct file *f)
{
    char path[PATH_MAX];

    new_name(w, path);
    if (rename(f->path, path) < 0)
        return -errno;
    memcpy(f->path, path, sizeof path);
    return 0;
}

/* Opened by a second name after the first is gone. */
static int act_link(struct worker *w, struct file *f)
{
    char path[PATH_MAX];

    new_name(w, path);
    if (link(f->path, path) < 0)
        return errno == EPERM ? -EOPNOTSUPP : -errno;
    if (unlink(f->path) < 0)
        return -errno;
    memcpy(f->path, path, sizeof path);
    file_close(f);
    return file_open(f, 0);
}

static int act_recreate(struct worker *w, struct file *f)
{
    size_t limit = f->limit;

    if (unlink(f->path) < 0)
        return -errno;
    file_destroy(f);
    return worker_create_file(w, f, limit);
}

static int act_fsync(struct worker *w, struct file *f)
{
    (void)w;
    return fsync(f->fd) < 0 ? -errno : 0;
}

static int act_fdatasync(struct worker *w, struct file *f)
{
    (void)w;
    return fdatasync(f->fd) < 0 ? -errno : 0;
}

const struct act acts[] = {
    { "read", act_read, 30 },
    { "write", act_write, 30 },
    { "append", act_append, 8 },
    { "read-direct", act_read_direct, 6 },
    { "write-direct", act_write_direct, 6 },
    { "mmap", act_map, 12 },
    { "truncate", act_truncate, 6 },
    { "fallocate", act_allocate, 4 },
    { "punch", act_punch, 6 },
    { "zero-range", act_zero, 4 },
    { "collapse", act_collapse, 2 },
    { "insert", act_insert, 2 },
    { "copy-range", act_copy, 3 },
    { "rename", act_rename, 2 },
    { "link", act_link, 2 },
    { "recreate", act_recreate, 1 },
    { "fsync", act_fsync, 2 },
    { "fdatasync", act_fdatasync, 2 },
};
const size_t acts_count = sizeof acts / sizeof *acts;

size_t act_choose(uint64_t *random)
{
    size_t sum = 0, i;

    for (i = 0; i < acts_count; i++)
        sum += acts[i].weight;
    size_t chosen = random_below(random, sum);
    for (i = 0; chosen >= acts[i].weight; i++)
        chosen -= acts[i].weight;
    return i;
}
