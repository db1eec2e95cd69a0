/* attach-message.c - which words does the kernel's NBD client take and give by netlink?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Nothing here opens anything: a test builds and reads them without a kernel. */
#include <linux/nbd-netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "attach.h"

/* The kernel's own deadline is for when nobody watches any more: who does is first. */
enum { KERNEL_PATIENCE_S = 10 };

static struct nl_msg *begin(int family, uint8_t command, int index)
{
    struct nl_msg *ret = nlmsg_alloc();

    if (!ret)
        return NULL;
    if (genlmsg_put(ret, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST | NLM_F_ACK, command,
                    NBD_GENL_VERSION) &&
        (index == NO_INDEX || nla_put_u32(ret, NBD_ATTR_INDEX, (uint32_t)index) == 0))
        return ret;
    nlmsg_free(ret);
    return NULL;
}

static int put_sockets(struct nl_msg *message, const int *fds, unsigned count)
{
    struct nlattr *list = nla_nest_start(message, NBD_ATTR_SOCKETS);

    if (!list)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        struct nlattr *item = nla_nest_start(message, NBD_SOCK_ITEM);
        if (!item || nla_put_u32(message, NBD_SOCK_FD, (uint32_t)fds[i]) < 0)
            return -1;
        nla_nest_end(message, item);
    }
    nla_nest_end(message, list);
    return 0;
}

/* No NBD_ATTR_TIMEOUT: a gateway that is slow holds the request still, and one that the kernel
 * sent again beside it could overtake, or be overtaken by, what was written later. */
struct nl_msg *message_connect(int family, const struct attachment *a)
{
    struct nl_msg *m = begin(family, NBD_CMD_CONNECT, a->index);

    if (!m)
        return NULL;
    if (nla_put_u64(m, NBD_ATTR_SIZE_BYTES, a->disk.size) == 0 &&
        nla_put_u64(m, NBD_ATTR_BLOCK_SIZE_BYTES, a->disk.block_size) == 0 &&
        nla_put_u64(m, NBD_ATTR_SERVER_FLAGS, a->disk.flags) == 0 &&
        nla_put_u64(m, NBD_ATTR_CLIENT_FLAGS, 0) == 0 &&
        nla_put_u64(m, NBD_ATTR_DEAD_CONN_TIMEOUT, a->dead_timeout + KERNEL_PATIENCE_S) == 0 &&
        nla_put_string(m, NBD_ATTR_BACKEND_IDENTIFIER, a->uri) == 0 &&
        put_sockets(m, a->link, a->links) == 0)
        return m;
    nlmsg_free(m);
    return NULL;
}

struct nl_msg *message_reconfigure(int family, const struct attachment *a, int fd)
{
    struct nl_msg *m = begin(family, NBD_CMD_RECONFIGURE, a->index);

    if (!m)
        return NULL;
    if (nla_put_string(m, NBD_ATTR_BACKEND_IDENTIFIER, a->uri) == 0 && put_sockets(m, &fd, 1) == 0)
        return m;
    nlmsg_free(m);
    return NULL;
}

struct nl_msg *message_disconnect(int family, int index)
{
    return begin(family, NBD_CMD_DISCONNECT, index);
}

struct nl_msg *message_status(int family, int index)
{
    return begin(family, NBD_CMD_STATUS, index);
}

static bool parse(struct nlmsghdr *message, struct nlattr **attributes)
{
    return genlmsg_valid_hdr(message, 0) &&
           genlmsg_parse(message, 0, attributes, NBD_ATTR_MAX, NULL) == 0;
}

int message_index(struct nlmsghdr *message)
{
    struct nlattr *attributes[NBD_ATTR_MAX + 1];

    if (!parse(message, attributes) || !attributes[NBD_ATTR_INDEX] ||
        nla_len(attributes[NBD_ATTR_INDEX]) < 4)
        return NO_INDEX;
    return (int)nla_get_u32(attributes[NBD_ATTR_INDEX]);
}

bool message_is_link_dead(struct nlmsghdr *message)
{
    return genlmsg_valid_hdr(message, 0) && genlmsg_hdr(message)->cmd == NBD_CMD_LINK_DEAD;
}

bool message_is_connected(struct nlmsghdr *message, int index)
{
    struct nlattr *attributes[NBD_ATTR_MAX + 1], *device[NBD_DEVICE_ATTR_MAX + 1], *item;
    int rest;

    if (!parse(message, attributes) || !attributes[NBD_ATTR_DEVICE_LIST])
        return false;
    nla_for_each_nested(item, attributes[NBD_ATTR_DEVICE_LIST], rest)
    {
        if (nla_type(item) != NBD_DEVICE_ITEM ||
            nla_parse_nested(device, NBD_DEVICE_ATTR_MAX, item, NULL) < 0 ||
            !device[NBD_DEVICE_INDEX] || nla_len(device[NBD_DEVICE_INDEX]) < 4)
            continue;
        if ((int)nla_get_u32(device[NBD_DEVICE_INDEX]) == index)
            return device[NBD_DEVICE_CONNECTED] && nla_len(device[NBD_DEVICE_CONNECTED]) >= 1 &&
                   nla_get_u8(device[NBD_DEVICE_CONNECTED]);
    }
    return false;
}

const char *message_error_text(struct nlmsghdr *message)
{
    const struct nlmsgerr *error = nlmsg_data(message);

    if (message->nlmsg_type != NLMSG_ERROR || !(message->nlmsg_flags & NLM_F_ACK_TLVS) ||
        nlmsg_datalen(message) < (int)sizeof *error)
        return NULL;
    /* the request is repeated before the words, unless the kernel cut it off */
    size_t skip = sizeof *error;
    if (!(message->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof error->msg)
        skip += NLMSG_ALIGN(error->msg.nlmsg_len - sizeof error->msg);
    if (skip >= (size_t)nlmsg_datalen(message))
        return NULL;
    struct nlattr *text = nla_find((struct nlattr *)((char *)nlmsg_data(message) + skip),
                                   nlmsg_datalen(message) - (int)skip, NLMSGERR_ATTR_MSG);
    if (!text || nla_len(text) < 1 || ((char *)nla_data(text))[nla_len(text) - 1])
        return NULL;
    return nla_data(text);
}
