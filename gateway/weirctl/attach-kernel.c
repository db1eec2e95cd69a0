/* attach-kernel.c - how is the kernel's NBD client asked, and what does its answer mean?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd-netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <string.h>
#include <sys/socket.h>

#include "attach.h"

enum { TICK_MS = 2000, MANY_TICK_MS = 120000 };

/* ---- one question, one answer ------------------------------------------------------------- */

struct answer {
    bool done, connected;
    int error, index; /* index: of a device, in the answer; asked about, in the question */
    struct weir_text *why;
};

static int on_answer(struct nl_msg *message, void *arg)
{
    struct answer *a = arg;
    struct nlmsghdr *header = nlmsg_hdr(message);

    if (message_is_connected(header, a->index))
        a->connected = true;
    if (a->index == NO_INDEX)
        a->index = message_index(header);
    return NL_OK;
}

static int on_done(struct nl_msg *message, void *arg)
{
    struct answer *a = arg;

    (void)message;
    a->done = true;
    return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
    struct answer *a = arg;
    const char *text = message_error_text((struct nlmsghdr *)((char *)error - NLMSG_HDRLEN));

    (void)from;
    a->done = true;
    a->error = error->error;
    if (text && a->why)
        weir_print(a->why, " (%s)", text);
    return NL_STOP;
}

/* Takes the request.  0 or -errno of the kernel; what it says in words is behind *why. */
static int ask(struct nbd_kernel *k, struct nl_msg *request, struct answer *a)
{
    if (!request)
        return -ENOMEM;
    nl_socket_modify_cb(k->asks, NL_CB_VALID, NL_CB_CUSTOM, on_answer, a);
    nl_socket_modify_cb(k->asks, NL_CB_ACK, NL_CB_CUSTOM, on_done, a);
    nl_socket_modify_err_cb(k->asks, NL_CB_CUSTOM, on_error, a);
    int r = nl_send_auto(k->asks, request);
    nlmsg_free(request);
    while (r >= 0 && !a->done)
        r = nl_recvmsgs_default(k->asks);
    return a->done ? a->error : -EIO;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int say_no_family(struct weir_text *why)
{
    if (access("/sys/module/nbd", F_OK) < 0 && access("/sys/block/nbd0", F_OK) < 0) {
        weir_print(
            why,
            "this kernel's NBD client is not loaded: as root, modprobe nbd nbds_max=16 (and a line "
            "\"nbd\" in a file of /etc/modules-load.d keeps it so)");
        return -ENODEV;
    }
    weir_print(why,
               "this kernel's NBD client takes no netlink requests here: that needs Linux 4.12 or "
               "newer, and the host's own network namespace");
    return -EOPNOTSUPP;
}

static int open_news(struct nbd_kernel *k, int group)
{
    k->news = nl_socket_alloc();
    if (!k->news)
        return -ENOMEM;
    nl_socket_disable_seq_check(k->news); /* nobody asked for what it says */
    if (genl_connect(k->news) < 0 || nl_socket_add_membership(k->news, group) < 0 ||
        nl_socket_set_nonblocking(k->news) < 0)
        return -EIO;
    return 0;
}

int kernel_open(struct nbd_kernel *k, struct weir_text *why)
{
    int on = 1, group;

    *k = (struct nbd_kernel){ .asks = nl_socket_alloc() };
    if (!k->asks)
        return -ENOMEM;
    if (genl_connect(k->asks) < 0) {
        weir_print(why, "this kernel has no generic netlink");
        return -EOPNOTSUPP;
    }
    k->family = genl_ctrl_resolve(k->asks, NBD_GENL_FAMILY_NAME);
    group = genl_ctrl_resolve_grp(k->asks, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
    if (k->family < 0 || group < 0)
        return say_no_family(why);
    /* words beside the number of an error, where the kernel has them */
    setsockopt(nl_socket_get_fd(k->asks), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    int r = open_news(k, group);
    if (r)
        weir_print(why, "cannot listen to the kernel: %s", strerror(-r));
    return r;
}

void kernel_close(struct nbd_kernel *k)
{
    nl_socket_free(k->asks);
    nl_socket_free(k->news);
    *k = (struct nbd_kernel){ 0 };
}

/* ---- what it is asked ------------------------------------------------------------------------ */

/* A request that was in flight when its link died waits until the kernel looks at it again: it
 * sends it on the new link then.  With one link it only looks (and warns of a slow one).  With
 * several it also takes a slow one's link for dead and sends it on another one, while the
 * gateway may still be at it: that must not be soon. */
static void look_often(const struct attachment *a)
{
    char path[64], text[16];

    snprintf(path, sizeof path, "/sys/block/nbd%d/queue/io_timeout", a->index);
    snprintf(text, sizeof text, "%d", a->links > 1 ? MANY_TICK_MS : TICK_MS);
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    /* older kernels have no such file: they look every 30 seconds */
    if (fd >= 0)
        (void)!write(fd, text, strlen(text));
}

static int explain_connect(const struct attachment *a, int error, const char *detail,
                           struct weir_text *why)
{
    if (error == -EPERM)
        weir_print(why, "attaching disks needs CAP_SYS_ADMIN: be root%s", detail);
    else if (error == -EBUSY && a->index != NO_INDEX)
        weir_print(why, "/dev/nbd%d is in use already: give another one, or none%s", a->index,
                   detail);
    else if (error == -EBUSY || error == -ENOSPC)
        weir_print(why,
                   "no NBD device is free: detach one, or modprobe nbd with a larger nbds_max%s",
                   detail);
    else if (error == -EINVAL && a->index != NO_INDEX)
        weir_print(why, "the kernel does not take this disk as /dev/nbd%d: its log says why%s",
                   a->index, detail);
    else
        weir_print(why, "the kernel does not take the disk: %s%s", strerror(-error), detail);
    return error;
}

int kernel_connect(struct nbd_kernel *k, struct attachment *a, struct weir_text *why)
{
    cleanup_text struct weir_text detail = { 0 };
    struct answer answer = { .index = a->index, .why = &detail };
    int r = ask(k, message_connect(k->family, a), &answer);

    if (r)
        return explain_connect(a, r, text_string(&detail), why);
    if (answer.index == NO_INDEX) {
        weir_print(why, "the kernel does not say which device it took");
        return -EPROTO;
    }
    a->index = answer.index;
    look_often(a);
    return 0;
}

int kernel_reconfigure(struct nbd_kernel *k, const struct attachment *a, int fd,
                       struct weir_text *why)
{
    cleanup_text struct weir_text detail = { 0 };
    struct answer answer = { .index = a->index, .why = &detail };
    int r = ask(k, message_reconfigure(k->family, a, fd), &answer);

    if (r)
        weir_print(why, "the kernel does not take the new connection: %s%s", strerror(-r),
                   text_string(&detail));
    return r;
}

int kernel_disconnect(struct nbd_kernel *k, int index, struct weir_text *why)
{
    cleanup_text struct weir_text detail = { 0 };
    struct answer answer = { .index = index, .why = &detail };
    int r = ask(k, message_disconnect(k->family, index), &answer);

    if (r == -EPERM)
        weir_print(why, "detaching disks needs CAP_SYS_ADMIN: be root%s", text_string(&detail));
    else if (r)
        weir_print(why, "the kernel does not let /dev/nbd%d go: %s%s", index, strerror(-r),
                   text_string(&detail));
    return r;
}

int kernel_connected(struct nbd_kernel *k, int index)
{
    struct answer answer = { .index = index };
    int r = ask(k, message_status(k->family, index), &answer);

    return r ? r : answer.connected;
}

/* ---- what it says by itself --------------------------------------------------------- */

int kernel_news_fd(const struct nbd_kernel *k)
{
    return nl_socket_get_fd(k->news);
}

struct deaths {
    int index;
    unsigned count;
};

static int on_news(struct nl_msg *message, void *arg)
{
    struct deaths *d = arg;
    struct nlmsghdr *header = nlmsg_hdr(message);

    d->count += message_is_link_dead(header) && message_index(header) == d->index;
    return NL_OK;
}

unsigned kernel_deaths(struct nbd_kernel *k, int index)
{
    struct deaths d = { .index = index };

    nl_socket_modify_cb(k->news, NL_CB_VALID, NL_CB_CUSTOM, on_news, &d);
    while (nl_recvmsgs_default(k->news) >= 0)
        ;
    return d.count;
}

/* ---- the device --------------------------------------------------------------------- */

void kernel_backend(int index, struct weir_text *ret)
{
    char path[64], text[4096];

    snprintf(path, sizeof path, "/sys/block/nbd%d/backend", index);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    weir_print(ret, "%s", text);
}

int device_unused(int index)
{
    char path[32];

    snprintf(path, sizeof path, "/dev/nbd%d", index);
    cleanup_fd int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    return fd < 0 && errno == EBUSY ? -EBUSY : 0;
}
