/* attach.h - what is a disk of the kernel's NBD client, seen from here?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * attach.c has the commands; attach-dial.c connects to the server, attach-kernel.c hands
 * sockets to the kernel in the words of attach-message.c, attach-watch.c replaces those that
 * die, and attach-state.c tells other invocations of it, by files in RUN/attach. */
#ifndef WEIR_ATTACH_H
#define WEIR_ATTACH_H

#include <stdint.h>

#include "weirctl.h"

struct nl_msg;
struct nl_sock;
struct nlmsghdr;

enum { LINKS_MOST = 16, NO_INDEX = -1 };

/* What a server says of an export, as far as the kernel asks. */
struct nbd_disk {
    uint64_t size;
    uint32_t block_size;
    uint16_t flags; /* NBD_FLAG_… of the protocol */
};

enum attach_state { CONNECTED, RECONNECTING, DEAD, UNWATCHED };

struct attachment {
    char *export, *uri; /* `export` is what the user called it */
    struct nbd_disk disk;
    int index; /* of /dev/nbdN */
    unsigned links;
    int link[LINKS_MOST];  /* our ends of the kernel's sockets; -1: that link is lost */
    uint64_t dead_timeout; /* seconds */
    enum attach_state state;
    int64_t since;           /* of the state, in seconds of the wall clock */
    uint64_t reconnects;     /* how often it was lost and found */
    struct weir_text reason; /* why it is not connected */
    int folder, lock;        /* attach-state.c */
};
#define cleanup_attachment __attribute__((cleanup(attachment_finish)))
void attachment_init(struct attachment *);
void attachment_finish(struct attachment *); /* closes our ends, not the kernel's */

/* "/dev/nbd3" and "nbd3" are 3; NO_INDEX: neither. */
int device_index(const char *word);

/* ---- attach-dial.c: the server ------------------------------------------------------- */

/* Why the kernel cannot have this URI, or NULL. */
const char *uri_unfit(const char *uri);
/* Connects and asks what the export is: a socket on which requests may be sent, and only the
 * kernel will.  Gives up after `ms`, -ETIMEDOUT, or when `wake` (-1: none) is readable, -EINTR. */
int attach_dial(const char *uri, int ms, int wake, struct nbd_disk *, int *fd,
                struct weir_text *why);
/* May it stand in the place of what the kernel was told?  0, or -EMEDIUMTYPE and why not. */
int disk_same(const struct nbd_disk *was, const struct nbd_disk *is, struct weir_text *why);
/* Can the kernel have it at all, on so many connections?  0 or -ENOTSUP. */
int disk_fits(const struct nbd_disk *, unsigned links, struct weir_text *why);

/* ---- attach-message.c: the words of the kernel's netlink family "nbd" ------------------ */

/* Each is a whole request, to be freed with nlmsg_free(); NULL: no memory. */
struct nl_msg *message_connect(int family, const struct attachment *);
struct nl_msg *message_reconfigure(int family, const struct attachment *, int fd);
struct nl_msg *message_disconnect(int family, int index);
struct nl_msg *message_status(int family, int index);
/* The device that an answer to a connect, or news of a dead link, is about; NO_INDEX: none. */
int message_index(struct nlmsghdr *);
bool message_is_link_dead(struct nlmsghdr *);
/* Does an answer to a status request say that this device is connected? */
bool message_is_connected(struct nlmsghdr *, int index);
/* What the kernel says beside the number of an error; NULL: nothing. */
const char *message_error_text(struct nlmsghdr *);

/* ---- attach-kernel.c ------------------------------------------------------------------- */

struct nbd_kernel {
    struct nl_sock *asks, *news; /* news: only what it says by itself */
    int family;
};
#define cleanup_kernel __attribute__((cleanup(kernel_close)))
/* -ENODEV: the module is not there; -EOPNOTSUPP: it knows no netlink. */
int kernel_open(struct nbd_kernel *, struct weir_text *why);
void kernel_close(struct nbd_kernel *);
/* Hands over all links; with index NO_INDEX it chooses a device, and sets the index. */
int kernel_connect(struct nbd_kernel *, struct attachment *, struct weir_text *why);
/* Hands over one socket in the place of a dead one; where none is dead the kernel drops it
 * without a word.  -EINVAL: it is not attached any more. */
int kernel_reconfigure(struct nbd_kernel *, const struct attachment *, int fd,
                       struct weir_text *why);
int kernel_disconnect(struct nbd_kernel *, int index, struct weir_text *why);
/* 1 or 0; -errno: the kernel does not say. */
int kernel_connected(struct nbd_kernel *, int index);
int kernel_news_fd(const struct nbd_kernel *);
/* How many links of this device have died since this was last asked. */
unsigned kernel_deaths(struct nbd_kernel *, int index);
/* Whom the kernel was told to be the server of a device; "" where nobody said. */
void kernel_backend(int index, struct weir_text *);
/* -EBUSY while it is mounted, swapped on, or part of another device. */
int device_unused(int index);

/* ---- attach-state.c ---------------------------------------------------------------------- */

const char *attach_state_word(enum attach_state);
/* RUN/attach; made when `make`.  Refused when another user could write there. */
int attach_folder(const struct invocation *, bool make, struct weir_text *why);
/* Held by who watches the device: -EBUSY while somebody does. */
int attach_lock(int folder, int index);
int attach_save(struct attachment *);
void attach_forget(struct attachment *);
/* What was saved last, with the state UNWATCHED where nobody watches any more: a document, or
 * NULL.  Only the wall clock and sizes are numbers, so other programs can read it. */
struct json_object *attach_load(int folder, int index);
/* The same as an attachment whose links are all unknown, to be watched again. */
void attach_restore(struct attachment *, struct json_object *);
/* All of them, by device. */
struct json_object *attach_list(int folder);

/* ---- attach-watch.c ---------------------------------------------------------------------- */

/* Signals are blocked for good: this reads those that end a watch. */
int watch_signals(void);
/* Until somebody ends it, or the server is away for too long: then the device is given up. */
enum exit_code attach_watch(struct attachment *, struct nbd_kernel *, int signals);
/* Ends it; -EBUSY when it is in use, unless forced. */
int attach_end(struct attachment *, struct nbd_kernel *, bool force, struct weir_text *why);

#endif
