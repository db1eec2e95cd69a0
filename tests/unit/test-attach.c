/* test-attach.c - what is the kernel's NBD client told, and which disks does it get?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "weirctl/attach.h"

enum { FAMILY = 29 };

static struct attachment some_attachment(int index)
{
    static char uri[] = "nbd+unix:///vm1?socket=/run/weir/weir.sock";

    return (struct attachment){
        .uri = uri,
        .disk = { .size = 5368709120, .block_size = 4096, .flags = NBD_FLAG_HAS_FLAGS },
        .index = index,
        .links = 2,
        .link = { 7, 11 },
        .dead_timeout = 300,
    };
}

static void parse(struct nl_msg *m, int command, struct nlattr **attributes)
{
    struct nlmsghdr *header = nlmsg_hdr(m);

    assert_int_equal(header->nlmsg_type, FAMILY);
    assert_true(header->nlmsg_flags & NLM_F_ACK);
    assert_int_equal(genlmsg_hdr(header)->cmd, command);
    assert_int_equal(genlmsg_parse(header, 0, attributes, NBD_ATTR_MAX, NULL), 0);
}

static unsigned read_sockets(struct nlattr *list, uint32_t *fds)
{
    struct nlattr *item, *socket[NBD_SOCK_MAX + 1];
    unsigned count = 0;
    int rest;

    nla_for_each_nested(item, list, rest)
    {
        assert_int_equal(nla_type(item), NBD_SOCK_ITEM);
        assert_int_equal(nla_parse_nested(socket, NBD_SOCK_MAX, item, NULL), 0);
        fds[count++] = nla_get_u32(socket[NBD_SOCK_FD]);
    }
    return count;
}

static void connect_says_all_of_the_disk(void **state)
{
    struct nlattr *said[NBD_ATTR_MAX + 1];
    struct attachment a = some_attachment(3);
    struct nl_msg *m = message_connect(FAMILY, &a);
    uint32_t fds[LINKS_MOST];

    (void)state;
    parse(m, NBD_CMD_CONNECT, said);
    assert_int_equal(nla_get_u32(said[NBD_ATTR_INDEX]), 3);
    assert_int_equal(nla_get_u64(said[NBD_ATTR_SIZE_BYTES]), 5368709120);
    assert_int_equal(nla_get_u64(said[NBD_ATTR_BLOCK_SIZE_BYTES]), 4096);
    assert_int_equal(nla_get_u64(said[NBD_ATTR_SERVER_FLAGS]), NBD_FLAG_HAS_FLAGS);
    assert_int_equal(nla_get_u64(said[NBD_ATTR_CLIENT_FLAGS]), 0);
    /* the watch is to give up first */
    assert_true(nla_get_u64(said[NBD_ATTR_DEAD_CONN_TIMEOUT]) > 300);
    assert_string_equal(nla_get_string(said[NBD_ATTR_BACKEND_IDENTIFIER]), a.uri);
    /* a slow gateway is no dead one: nothing is to be sent twice */
    assert_null(said[NBD_ATTR_TIMEOUT]);
    assert_int_equal(read_sockets(said[NBD_ATTR_SOCKETS], fds), 2);
    assert_int_equal(fds[0], 7);
    assert_int_equal(fds[1], 11);
    nlmsg_free(m);
}

static void connect_without_a_device_lets_the_kernel_choose(void **state)
{
    struct nlattr *said[NBD_ATTR_MAX + 1];
    struct attachment a = some_attachment(NO_INDEX);
    struct nl_msg *m = message_connect(FAMILY, &a);

    (void)state;
    parse(m, NBD_CMD_CONNECT, said);
    assert_null(said[NBD_ATTR_INDEX]);
    assert_int_equal(message_index(nlmsg_hdr(m)), NO_INDEX);
    nlmsg_free(m);
}

static void reconfigure_has_one_socket_and_the_backend(void **state)
{
    struct nlattr *said[NBD_ATTR_MAX + 1];
    struct attachment a = some_attachment(3);
    struct nl_msg *m = message_reconfigure(FAMILY, &a, 23);
    uint32_t fds[LINKS_MOST];

    (void)state;
    parse(m, NBD_CMD_RECONFIGURE, said);
    assert_int_equal(message_index(nlmsg_hdr(m)), 3);
    assert_string_equal(nla_get_string(said[NBD_ATTR_BACKEND_IDENTIFIER]), a.uri);
    /* it would resize a disk in use */
    assert_null(said[NBD_ATTR_SIZE_BYTES]);
    assert_int_equal(read_sockets(said[NBD_ATTR_SOCKETS], fds), 1);
    assert_int_equal(fds[0], 23);
    nlmsg_free(m);
}

static void disconnect_and_status_name_the_device(void **state)
{
    struct nlattr *said[NBD_ATTR_MAX + 1];
    struct nl_msg *disconnect = message_disconnect(FAMILY, 2), *status = message_status(FAMILY, 0);

    (void)state;
    parse(disconnect, NBD_CMD_DISCONNECT, said);
    assert_int_equal(message_index(nlmsg_hdr(disconnect)), 2);
    parse(status, NBD_CMD_STATUS, said);
    assert_int_equal(message_index(nlmsg_hdr(status)), 0);
    nlmsg_free(disconnect);
    nlmsg_free(status);
}

/* ---- what the kernel says ------------------------------------------------------------------- */

static struct nl_msg *from_kernel(uint8_t command)
{
    struct nl_msg *m = nlmsg_alloc();

    assert_non_null(genlmsg_put(m, 0, 0, FAMILY, 0, 0, command, NBD_GENL_VERSION));
    return m;
}

static void add_device(struct nl_msg *m, uint32_t index, uint8_t connected)
{
    struct nlattr *item = nla_nest_start(m, NBD_DEVICE_ITEM);

    nla_put_u32(m, NBD_DEVICE_INDEX, index);
    nla_put_u8(m, NBD_DEVICE_CONNECTED, connected);
    nla_nest_end(m, item);
}

static void status_is_of_the_device_that_was_asked_for(void **state)
{
    struct nl_msg *m = from_kernel(NBD_CMD_STATUS);
    struct nlattr *list = nla_nest_start(m, NBD_ATTR_DEVICE_LIST);

    (void)state;
    add_device(m, 0, 1);
    add_device(m, 1, 0);
    nla_nest_end(m, list);
    assert_true(message_is_connected(nlmsg_hdr(m), 0));
    assert_false(message_is_connected(nlmsg_hdr(m), 1));
    assert_false(message_is_connected(nlmsg_hdr(m), 2));
    nlmsg_free(m);
}

static void news_of_a_dead_link_names_its_device(void **state)
{
    struct nl_msg *m = from_kernel(NBD_CMD_LINK_DEAD), *other = from_kernel(NBD_CMD_CONNECT);

    (void)state;
    nla_put_u32(m, NBD_ATTR_INDEX, 5);
    assert_true(message_is_link_dead(nlmsg_hdr(m)));
    assert_int_equal(message_index(nlmsg_hdr(m)), 5);
    assert_false(message_is_link_dead(nlmsg_hdr(other)));
    assert_int_equal(message_index(nlmsg_hdr(other)), NO_INDEX);
    nlmsg_free(m);
    nlmsg_free(other);
}

/* Cut off anywhere, a message is one that says less; only its length is changed. */
static void a_message_that_is_cut_off_says_nothing(void **state)
{
    struct nl_msg *m = from_kernel(NBD_CMD_STATUS);
    struct nlattr *list = nla_nest_start(m, NBD_ATTR_DEVICE_LIST);

    (void)state;
    add_device(m, 0, 1);
    nla_nest_end(m, list);
    struct nlmsghdr *whole = nlmsg_hdr(m);
    for (uint32_t length = 0; length < whole->nlmsg_len; length++) {
        struct nlmsghdr *cut = calloc(1, whole->nlmsg_len);
        /* a copy of its own, so that a sanitizer sees what reads behind it */
        struct nlmsghdr *exact = realloc(cut, length > sizeof *cut ? length : sizeof *cut);
        memcpy(exact, whole, length > sizeof *exact ? length : sizeof *exact);
        exact->nlmsg_len = length;
        assert_false(message_is_connected(exact, 0));
        message_index(exact);
        message_is_link_dead(exact);
        free(exact);
    }
    nlmsg_free(m);
}

static void an_error_says_what_the_kernel_says(void **state)
{
    static const char text[] = "no such device";
    struct nl_msg *request = message_status(FAMILY, 9);
    struct nlmsgerr error = { .error = -EINVAL, .msg = *nlmsg_hdr(request) };

    (void)state;
    for (int capped = 0; capped < 2; capped++) {
        struct nl_msg *m = nlmsg_alloc();
        struct nlmsghdr *h =
            nlmsg_put(m, 0, 0, NLMSG_ERROR, 0, NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0));
        nlmsg_append(m, &error, sizeof error, NLMSG_ALIGNTO);
        if (!capped)
            nlmsg_append(m, nlmsg_data(nlmsg_hdr(request)),
                         (size_t)nlmsg_datalen(nlmsg_hdr(request)), NLMSG_ALIGNTO);
        assert_null(message_error_text(h));
        nla_put_string(m, NLMSGERR_ATTR_MSG, text);
        assert_string_equal(message_error_text(h), text);
        h->nlmsg_flags = 0;
        assert_null(message_error_text(h));
        nlmsg_free(m);
    }
    nlmsg_free(request);
}

/* ---- which disks ------------------------------------------------------------------------------
 */

static const struct nbd_disk good = { .size = 1 << 20,
                                      .block_size = 512,
                                      .flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
                                               NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM };

static void assert_unfit(struct nbd_disk disk, unsigned links, const char *part)
{
    cleanup_text struct weir_text why = { 0 };

    assert_int_equal(disk_fits(&disk, links, &why), -ENOTSUP);
    assert_non_null(strstr(text_string(&why), part));
}

static void a_disk_that_the_kernel_would_cut_is_refused(void **state)
{
    struct nbd_disk d = good;

    (void)state;
    assert_int_equal(disk_fits(&d, 1, NULL), 0);
    d.block_size = 8192;
    assert_unfit(d, 1, "blocks of 8192");
    d.block_size = 1536;
    assert_unfit(d, 1, "blocks of 1536");
    d = good;
    d.size += 100;
    assert_unfit(d, 1, "not whole blocks");
    d.size = 0;
    assert_unfit(d, 1, "not whole blocks");
    d = good;
    assert_unfit(d, 2, "--connections=1");
    d.flags |= NBD_FLAG_CAN_MULTI_CONN;
    assert_int_equal(disk_fits(&d, 2, NULL), 0);
}

static void assert_other(struct nbd_disk is, const char *part)
{
    cleanup_text struct weir_text why = { 0 };

    assert_int_equal(disk_same(&good, &is, &why), -EMEDIUMTYPE);
    assert_non_null(strstr(text_string(&why), part));
}

static void a_disk_that_came_back_as_less_is_refused(void **state)
{
    struct nbd_disk d = good;

    (void)state;
    d.flags |= NBD_FLAG_CAN_MULTI_CONN; /* more is fine */
    assert_int_equal(disk_same(&good, &d, NULL), 0);
    assert_int_equal(disk_same(&d, &d, NULL), 0);
    d = good, d.size *= 2;
    assert_other(d, "came back with 2097152 bytes, and had 1048576");
    d.size = 0;
    assert_other(d, "came back with 0 bytes");
    d = good, d.flags |= NBD_FLAG_READ_ONLY;
    assert_other(d, "read-only");
    assert_int_equal(disk_same(&d, &good, NULL), 0); /* one that may be written now does no harm */
    d = good, d.block_size = 4096;
    assert_other(d, "blocks of 4096");
    d = good, d.flags &= (uint16_t)~NBD_FLAG_SEND_FLUSH;
    assert_other(d, "without flush");
    d = good, d.flags &= (uint16_t)~NBD_FLAG_SEND_FUA;
    assert_other(d, "without forced writes");
    d = good, d.flags &= (uint16_t)~NBD_FLAG_SEND_TRIM;
    assert_other(d, "without trim");
}

static void only_uris_that_the_kernel_can_use_are_taken(void **state)
{
    (void)state;
    assert_null(uri_unfit("nbd+unix:///vm1?socket=/run/weir/weir.sock"));
    assert_null(uri_unfit("nbd://host/vm1"));
    assert_non_null(strstr(uri_unfit("nbds://host/vm1"), "TLS"));
    assert_non_null(strstr(uri_unfit("nbds+unix:///vm1?socket=/s"), "TLS"));
    assert_non_null(uri_unfit("http://host/vm1"));
    assert_non_null(uri_unfit("nbd+vsock://2/vm1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_says_all_of_the_disk),
        cmocka_unit_test(connect_without_a_device_lets_the_kernel_choose),
        cmocka_unit_test(reconfigure_has_one_socket_and_the_backend),
        cmocka_unit_test(disconnect_and_status_name_the_device),
        cmocka_unit_test(status_is_of_the_device_that_was_asked_for),
        cmocka_unit_test(news_of_a_dead_link_names_its_device),
        cmocka_unit_test(a_message_that_is_cut_off_says_nothing),
        cmocka_unit_test(an_error_says_what_the_kernel_says),
        cmocka_unit_test(a_disk_that_the_kernel_would_cut_is_refused),
        cmocka_unit_test(a_disk_that_came_back_as_less_is_refused),
        cmocka_unit_test(only_uris_that_the_kernel_can_use_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
