/* group-rig.c - what do tests of a group share?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "group-rig.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static int open_group(struct group_rig *rig)
{
    struct weir_text why = { 0 };

    int r = group_get(&rig->config, rig->folder, "g", &rig->group, &why);
    if (r)
        print_message("%s\n", text_string(&why));
    text_finish(&why);
    return r;
}

void group_rig_init(struct group_rig *rig)
{
    *rig = (struct group_rig){
        .folder = strdup("/tmp/weir-vault.XXXXXX"),
        .config = { .path = "vault",
                    .heads = "",
                    .scratch = "",
                    .key = "",
                    .history = 3600000000000 },
        .lineage = { .count = 1, .list = { { .id = 7 } } },
        .source = { .generation = 7 },
    };
    assert_non_null(mkdtemp(rig->folder));
    memset(rig->source.group, 0x17, sizeof(rig->source.group));
    assert_int_equal(open_group(rig), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void group_rig_finish(struct group_rig *rig)
{
    group_put(rig->group);
    nftw(rig->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig->folder);
}

void group_rig_again(struct group_rig *rig)
{
    group_put(rig->group);
    assert_int_equal(open_group(rig), 0);
}

struct status rig_status(struct group_rig *rig)
{
    struct status s;

    assert_int_equal(group_status(rig->group, &s), 0);
    return s;
}

int rig_command(struct group_rig *rig, enum command_op op, uint64_t lsn)
{
    struct command c = {
        .op = op, .lineage = rig->lineage, .lsn = lsn, .token = rig->source.token
    };
    struct weir_text why = { 0 };

    memcpy(c.group, rig->source.group, sizeof(c.group));
    int r = group_command(rig->group, &c, &why);
    assert_true((r == 0) == (why.length == 0));
    text_finish(&why);
    return r;
}

int rig_acquire(struct group_rig *rig)
{
    const uint64_t before = rig->source.token;

    rig->source.token = rig_status(rig).token;
    int r = rig_command(rig, COMMAND_ACQUIRE, rig->source.lsn);
    if (r) {
        rig->source.token = before;
        return r;
    }
    const struct status s = rig_status(rig);
    rig->source.token = s.token;
    rig->source.end = (struct log_end){ s.end, s.last_position, s.last_digest, s.received_lsn };
    return 0;
}

int group_send(struct group_rig *rig, struct sent sent, bool fua)
{
    int r = group_receive(rig->group, sent.position, sent.bytes, sent.size, fua);

    free(sent.bytes);
    return r;
}

void rig_first_copy(struct group_rig *rig, uint64_t size, int byte)
{
    char data[65536];

    assert_int_equal(rig_acquire(rig), 0);
    memset(data, byte, sizeof(data));
    source_begin(&rig->source, 0);
    source_disk(&rig->source, 0, "vm", size);
    source_write(&rig->source, 0, 0, data, sizeof(data));
    assert_int_equal(group_send(rig, source_finish(&rig->source), true), 0);
    rig_wait_applied(rig, 2);
}

void rig_wait_applied(struct group_rig *rig, uint64_t lsn)
{
    while (rig_status(rig).applied_lsn < lsn) {
        const struct status s = rig_status(rig);
        if (*s.error)
            fail_msg("%s", s.error);
        usleep(1000);
    }
}

void rig_expect_head(struct group_rig *rig, uint64_t offset, size_t length, int byte)
{
    char *data = malloc(length);

    assert_int_equal(file_read(rig->group->disks[0].head, data, length, offset), 0);
    for (size_t i = 0; i < length; i++)
        if ((uint8_t)data[i] != byte)
            fail_msg("at %zu there is %02x, not %02x", (size_t)offset + i, (uint8_t)data[i], byte);
    free(data);
}
