/* exchange-file.c - how are blocks of a shared file read and written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "exchange-file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void exchange_say(struct exchange_why why, const char *format, ...)
{
    va_list args;

    if (!why.text || !why.size)
        return;
    va_start(args, format);
    vsnprintf(why.text, why.size, format, args);
    va_end(args);
}

/* ---- bytes ------------------------------------------------------------------- */

/* Some file systems take the flag and refuse the I/O. */
static bool direct_refused(struct exchange_file *f)
{
    if (errno != EINVAL || !f->direct)
        return false;
    f->direct = false;
    return !fcntl(f->fd, F_SETFL, fcntl(f->fd, F_GETFL) & ~O_DIRECT);
}

static ssize_t read_some(struct exchange_file *f, void *data, size_t size, off_t at)
{
    ssize_t n;

    do {
        if (!f->direct) /* another host may have written */
            posix_fadvise(f->fd, at, (off_t)size, POSIX_FADV_DONTNEED);
        n = pread(f->fd, data, size, at);
    } while (n < 0 && (errno == EINTR || direct_refused(f)));
    return n < 0 ? -errno : n;
}

int exchange_file_read_all(struct exchange_file *f, void *data, size_t room, size_t *size)
{
    size_t got = 0;

    /* one pread() where the kernel gives all at once; a part of a block is the file's end */
    while (got < room && got % BLOCK_SIZE == 0) {
        struct stat st;
        if (fstat(f->fd, &st))
            return -errno;
        if ((off_t)got >= st.st_size)
            break;
        size_t rest = (size_t)st.st_size - got;
        rest += -rest % BLOCK_SIZE;
        if (rest > room - got)
            rest = room - got;
        ssize_t n = read_some(f, (char *)data + got, rest, (off_t)got);
        if (n < 0)
            return (int)n;
        if (!n)
            break;
        got += (size_t)n;
    }
    memset((char *)data + got, 0, -got % BLOCK_SIZE);
    *size = got;
    return 0;
}

int exchange_file_read(struct exchange_file *f, unsigned block, void *data)
{
    ssize_t n = read_some(f, data, BLOCK_SIZE, (off_t)block * BLOCK_SIZE);

    if (n < 0)
        return (int)n;
    memset((char *)data + n, 0, BLOCK_SIZE - (size_t)n);
    return 0;
}

int exchange_file_write(struct exchange_file *f, unsigned block, const void *data)
{
    ssize_t n;

    do
        n = pwrite(f->fd, data, BLOCK_SIZE, (off_t)block * BLOCK_SIZE);
    while (n < 0 && (errno == EINTR || direct_refused(f)));
    if (n < 0)
        return -errno;
    if (n < BLOCK_SIZE)
        return -ENOSPC; /* half a block is garbage to the others until the next round */
    return !f->direct && fdatasync(f->fd) ? -errno : 0;
}

/* ---- locks ------------------------------------------------------------------- */

static int set_lock(struct exchange_file *f, unsigned block, short type)
{
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)block * BLOCK_SIZE,
        .l_len = BLOCK_SIZE,
    };

    return fcntl(f->fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

int exchange_file_lock(struct exchange_file *f, unsigned block)
{
    int r = set_lock(f, block, F_WRLCK);

    if (!r)
        return 0;
    return r == -EAGAIN || r == -EACCES ? -EAGAIN : -ENOLCK;
}

void exchange_file_unlock(struct exchange_file *f, unsigned block)
{
    set_lock(f, block, F_UNLCK);
}

/* ---- the file ---------------------------------------------------------------- */

int exchange_file_header(const char *path, const void *raw, struct exchange_why why)
{
    uint32_t version;
    int r = block_get_header(raw, &version);

    if (r == -EPROTONOSUPPORT)
        exchange_say(why,
                     "\"%s\" is a statistics file of format %u, and this gateway knows format %d: "
                     "run one version of weir on all hosts of the datastore, or give another path.",
                     path, version, BLOCK_VERSION);
    else if (r)
        exchange_say(why,
                     "\"%s\" is not a statistics file of weir and was left as it is: give another "
                     "path, or remove it if nobody needs it.",
                     path);
    return r == -ENOENT ? -EMEDIUMTYPE : r;
}

/* Who may write to the folder could replace the file anyhow. */
static void share_with_group(const char *path, int fd)
{
    char *copy = strdup(path);
    struct stat st;

    if (copy && !stat(dirname(copy), &st) && (st.st_mode & S_IWGRP))
        fchmod(fd, 0660);
    free(copy);
}

/* Not through a link, and not stuck in a FIFO: the folder is shared. */
static int open_or_make(const char *path)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

    for (int turn = 0; turn < 8; turn++) { /* another may make or remove it between the two */
        int fd = open(path, flags);
        if (fd >= 0 || errno != ENOENT)
            return fd < 0 ? -errno : fd;
        fd = open(path, flags | O_CREAT | O_EXCL, 0600);
        if (fd >= 0)
            share_with_group(path, fd);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return -EAGAIN;
}

static int check_or_write_header(const char *path, struct exchange_file *f, const struct stat *st,
                                 void *room, struct exchange_why why)
{
    int r;

    if (!st->st_size) { /* who comes at the same time writes the same bytes */
        block_put_header(room);
        r = exchange_file_write(f, 0, room);
    } else {
        r = exchange_file_read(f, 0, room);
    }
    if (r) {
        exchange_say(why, "\"%s\" cannot be %s: %s.", path, st->st_size ? "read" : "written to",
                     strerror(-r));
        return r;
    }
    return exchange_file_header(path, room, why);
}

int exchange_file_open(const char *path, void *room, struct exchange_file *ret,
                       struct exchange_why why)
{
    struct exchange_file f = { .fd = open_or_make(path) };
    struct stat st;
    int r;

    if (f.fd < 0) {
        exchange_say(why, "\"%s\" cannot be opened or made: %s; %s.", path, strerror(-f.fd),
                     f.fd == -ELOOP ? "it may not be a symbolic link"
                                    : "its folder must exist and let the gateway write");
        return f.fd;
    }
    if (fstat(f.fd, &st)) {
        r = -errno;
    } else if (!S_ISREG(st.st_mode)) {
        exchange_say(why, "\"%s\" is not a regular file: give another path.", path);
        r = -EMEDIUMTYPE;
    } else {
        f.device = st.st_dev;
        f.inode = st.st_ino;
        f.direct = !fcntl(f.fd, F_SETFL, fcntl(f.fd, F_GETFL) | O_DIRECT);
        r = check_or_write_header(path, &f, &st, room, why);
    }
    if (r)
        close(f.fd);
    else
        *ret = f;
    return r;
}

void exchange_file_close(struct exchange_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

bool exchange_file_there(const struct exchange_file *f, const char *path)
{
    struct stat st;

    return !stat(path, &st) && st.st_dev == f->device && st.st_ino == f->inode;
}
