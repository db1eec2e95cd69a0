/* attach-dial.c - how does a socket become one that the kernel may send NBD requests on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <linux/nbd.h>
#include <poll.h>
#include <string.h>

#include "attach.h"
#include "clock.h"

enum { SECTOR = 512, BLOCK_MOST = 4096 };

const char *uri_unfit(const char *uri)
{
    if (strncmp(uri, "nbds:", 5) == 0 || strncmp(uri, "nbds+unix:", 10) == 0)
        return "the kernel's client cannot do TLS by itself: serve the export on a Unix socket, "
               "without TLS";
    if (strncmp(uri, "nbd://", 6) != 0 && strncmp(uri, "nbd+unix://", 11) != 0)
        return "an export's name, nbd+unix:///EXPORT?socket=PATH or nbd://HOST/EXPORT is expected";
    return NULL;
}

/* ---- the handshake --------------------------------------------------------------------- */

static struct nbd_handle *begin(const char *uri)
{
    struct nbd_handle *h = nbd_create();

    /* the kernel of Linux 6 does not understand structured replies */
    if (h && nbd_set_request_structured_replies(h, false) == 0 &&
        nbd_set_uri_allow_tls(h, LIBNBD_TLS_DISABLE) == 0 && nbd_aio_connect_uri(h, uri) == 0)
        return h;
    if (h)
        nbd_close(h);
    return NULL;
}

static int turn(struct nbd_handle *h, int ms, int wake)
{
    unsigned direction = nbd_aio_get_direction(h);
    struct pollfd list[] = { { .fd = wake, .events = POLLIN }, { .fd = nbd_aio_get_fd(h) } };

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        list[1].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        list[1].events |= POLLOUT;
    if (poll(list, 2, ms) < 0 && errno != EINTR)
        return -errno;
    if (list[0].revents)
        return -EINTR;
    if (!list[1].revents)
        return 0;
    int r = direction & LIBNBD_AIO_DIRECTION_WRITE && list[1].revents & POLLOUT
                ? nbd_aio_notify_write(h)
                : nbd_aio_notify_read(h);
    return r < 0 ? -ECONNREFUSED : 0;
}

static int handshake(struct nbd_handle *h, int ms, int wake)
{
    uint64_t end = clock_ns() + (uint64_t)ms * 1000000;

    while (nbd_aio_is_connecting(h) > 0 || nbd_aio_is_negotiating(h) > 0) {
        uint64_t now = clock_ns();
        if (now >= end)
            return -ETIMEDOUT;
        int r = turn(h, (int)((end - now) / 1000000) + 1, wake);
        if (r)
            return r;
    }
    return nbd_aio_is_ready(h) > 0 ? 0 : -ECONNREFUSED;
}

static void describe(struct nbd_handle *h, struct nbd_disk *ret)
{
    const struct {
        int (*has)(struct nbd_handle *);
        uint16_t flag;
    } rows[] = {
        { nbd_is_read_only, NBD_FLAG_READ_ONLY },
        { nbd_can_flush, NBD_FLAG_SEND_FLUSH },
        { nbd_can_fua, NBD_FLAG_SEND_FUA },
        { nbd_can_trim, NBD_FLAG_SEND_TRIM },
        { nbd_can_multi_conn, NBD_FLAG_CAN_MULTI_CONN },
    };
    int64_t size = nbd_get_size(h), block = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);

    *ret = (struct nbd_disk){ .size = size > 0 ? (uint64_t)size : 0,
                              .block_size = block > SECTOR ? (uint32_t)block : SECTOR,
                              .flags = NBD_FLAG_HAS_FLAGS };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].has(h) > 0)
            ret->flags |= rows[i].flag;
}

int attach_dial(const char *uri, int ms, int wake, struct nbd_disk *disk, int *fd,
                struct weir_text *why)
{
    struct nbd_handle *h = begin(uri);
    int r = h ? handshake(h, ms, wake) : -ECONNREFUSED;

    if (!r) {
        describe(h, disk);
        *fd = fcntl(nbd_aio_get_fd(h), F_DUPFD_CLOEXEC, 0);
        r = *fd < 0 ? -errno : 0;
    }
    if (r == -ETIMEDOUT)
        weir_print(why, "%s does not answer", uri);
    else if (r && r != -EINTR)
        weir_print(why, "cannot connect to %s: %s", uri,
                   r == -ECONNREFUSED && nbd_get_error() ? nbd_get_error() : strerror(-r));
    /* closes its descriptor without a word to the server: the connection lives on in ours */
    if (h)
        nbd_close(h);
    return r;
}

/* ---- is it a disk for the kernel, and the one that it was? ------------------------------ */

int disk_fits(const struct nbd_disk *disk, unsigned links, struct weir_text *why)
{
    if (disk->block_size > BLOCK_MOST || (disk->block_size & (disk->block_size - 1)))
        weir_print(why, "it wants blocks of %u bytes: the kernel's client can do 512 to 4096",
                   disk->block_size);
    else if (!disk->size || disk->size % disk->block_size)
        weir_print(why,
                   "it has %llu bytes, which are not whole blocks of %u: the kernel would not show "
                   "the rest",
                   (unsigned long long)disk->size, disk->block_size);
    else if (links > 1 && !(disk->flags & NBD_FLAG_CAN_MULTI_CONN))
        weir_print(why, "it does not allow several connections that see each other's writes "
                        "(multi-conn): attach it with --connections=1");
    else
        return 0;
    return -ENOTSUP;
}

/* The kernel goes on to use all that it was told: what is there now may be more, not less. */
int disk_same(const struct nbd_disk *was, const struct nbd_disk *is, struct weir_text *why)
{
    static const struct {
        uint16_t flag;
        const char *what;
    } rows[] = {
        { NBD_FLAG_SEND_FLUSH, "flush" },
        { NBD_FLAG_SEND_FUA, "forced writes" },
        { NBD_FLAG_SEND_TRIM, "trim" },
        { NBD_FLAG_CAN_MULTI_CONN, "several connections" },
    };

    if (is->size != was->size) {
        weir_print(why, "it came back with %llu bytes, and had %llu", (unsigned long long)is->size,
                   (unsigned long long)was->size);
        return -EMEDIUMTYPE;
    }
    if ((is->flags & NBD_FLAG_READ_ONLY) && !(was->flags & NBD_FLAG_READ_ONLY)) {
        weir_print(why, "it came back read-only");
        return -EMEDIUMTYPE;
    }
    if (is->block_size > was->block_size) {
        weir_print(why, "it came back with blocks of %u bytes, and had %u", is->block_size,
                   was->block_size);
        return -EMEDIUMTYPE;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((was->flags & rows[i].flag) && !(is->flags & rows[i].flag)) {
            weir_print(why, "it came back without %s", rows[i].what);
            return -EMEDIUMTYPE;
        }
    return 0;
}
