/* key-read.c - how do the bytes of a descriptor get into the region, and nowhere else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_ROOM = 4096 };

/* ---- a piece at a time -------------------------------------------------------- */

static int make_room(struct key_intake *in, size_t room)
{
    uint8_t *data = secret_alloc(room);

    if (!data)
        return -ENOMEM;
    if (in->size)
        memcpy(data, in->data, in->size);
    secret_free(in->data);
    in->data = data;
    in->room = room;
    return 0;
}

int key_intake_read(struct key_intake *in, int fd)
{
    ssize_t n;

    if (in->size > KEY_SIZE_MAX)
        return -EFBIG;
    if (in->size == in->room) {
        int r = make_room(in, in->room ? 2 * in->room : FIRST_ROOM);
        if (r)
            return r;
    }
    do
        n = read(fd, in->data + in->size, in->room - in->size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    in->size += (size_t)n;
    return n ? 1 : 0;
}

void key_intake_drop(struct key_intake *in)
{
    secret_free(in->data);
    *in = (struct key_intake){ 0 };
}

int key_intake_finish(struct key_intake *in, struct secret *key)
{
    if (!in->size) {
        key_intake_drop(in);
        return -ENODATA;
    }
    *key = (struct secret){ .data = in->data, .size = in->size };
    *in = (struct key_intake){ 0 };
    return 0;
}

/* ---- a file ------------------------------------------------------------------- */

/* Of the descriptor: what the path names may be another file by now. */
static int check_file(const char *path, int fd, bool guarded, struct stat *st, char why[HEADER_WHY])
{
    if (fstat(fd, st))
        return key_refuse(why, errno, "the key file \"%s\" cannot be looked at: %s", path,
                          strerror(errno));
    if (!S_ISREG(st->st_mode))
        return key_refuse(why, EINVAL, "\"%s\" is %s: expected a file that holds the key", path,
                          S_ISDIR(st->st_mode)    ? "a folder"
                          : S_ISFIFO(st->st_mode) ? "a FIFO"
                          : S_ISSOCK(st->st_mode) ? "a socket"
                                                  : "a device");
    if (!guarded && (st->st_mode & (S_IRWXG | S_IRWXO)))
        return key_refuse(why, EACCES,
                          "the key file \"%s\" has mode %04o, so that others than its owner may "
                          "use it: chmod 600 it, and change the key if others could read it",
                          path, (unsigned)(st->st_mode & 07777));
    if (st->st_size > KEY_SIZE_MAX)
        return key_refuse(why, EFBIG,
                          "the key file \"%s\" has %lld bytes: a key has at most %d MiB", path,
                          (long long)st->st_size, KEY_SIZE_MAX >> 20);
    return 0;
}

static int read_all(const char *path, int fd, const struct stat *st, struct secret *key,
                    char why[HEADER_WHY])
{
    struct key_intake in = { 0 };
    /* one byte more, so that the end is seen without more room */
    int r = make_room(&in, (size_t)st->st_size + 1);

    while (!r && (r = key_intake_read(&in, fd)) > 0)
        r = 0;
    if (!r)
        r = key_intake_finish(&in, key);
    key_intake_drop(&in);
    if (r == -ENODATA)
        return key_refuse(why, ENODATA, "the key file \"%s\" is empty: expected the key", path);
    if (r == -ENOMEM)
        return key_refuse(why, ENOMEM,
                          "the key file \"%s\" has %lld bytes, and only %zu of the locked memory "
                          "are free: raise LimitMEMLOCK, or use a shorter key",
                          path, (long long)st->st_size, secret_room());
    if (r)
        return key_refuse(why, -r, "the key file \"%s\" cannot be read: %s", path, strerror(-r));
    return 0;
}

int key_read_file(const char *path, bool guarded, struct secret *key, char why[HEADER_WHY])
{
    /* not stuck in a FIFO; through links, which administrators use */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return key_refuse(why, ENOENT, "the key file \"%s\" is not there: put the key there", path);
    if (fd < 0)
        return key_refuse(why, errno,
                          "the key file \"%s\" cannot be opened: %s: it must be readable by the "
                          "user of the gateway",
                          path, strerror(errno));
    int r = check_file(path, fd, guarded, &st, why);
    if (!r)
        r = read_all(path, fd, &st, key, why);
    close(fd);
    return r;
}
