/* log-rig.c - what do tests of a log share?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log-rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static int handed(void *arg, const struct frame *frame, void *payload, const struct log_end *after)
{
    struct rig *rig = arg;

    if (payload) { /* it must be the frame's */
        struct record r;
        frame_record(frame, payload, 0, &r);
        assert_int_equal(r.lsn, frame->first_lsn);
    }
    free(payload);
    if (rig->answer)
        return rig->answer;
    assert_true(rig->count < HANDED);
    assert_int_equal(after->last_position, frame->position);
    assert_int_equal(after->last_lsn, frame->last_lsn);
    rig->handed[rig->count++] = frame->position;
    return 0;
}

int rig_open(struct rig *rig)
{
    struct weir_text why = { 0 };

    rig->count = 0;
    rig->setup.medium = rig->medium;
    rig->setup.frame = handed;
    rig->setup.arg = rig;
    int r = log_open(&rig->setup, &rig->log, &why);
    if (r)
        print_message("%s\n", text_string(&why));
    text_finish(&why);
    return r;
}

void rig_init(struct rig *rig, uint64_t room)
{
    *rig = (struct rig){ .memory = memory_create() };
    rig->medium = memory_medium(rig->memory, "group");
    rig->source.token = 1;
    rig->source.generation = 7;
    if (room) {
        struct medium_file *file;
        rig->setup.start.position = SEGMENT - room;
        rig->source.end.position = SEGMENT - room;
        assert_int_equal(
            rig->medium->open(rig->medium, "log.0000000000000000", MEDIUM_CREATE, &file), 0);
        assert_int_equal(file->truncate(file, SEGMENT - room), 0);
        assert_int_equal(file->sync(file), 0);
        file->close(file);
        assert_int_equal(rig->medium->sync(rig->medium), 0);
    }
    assert_int_equal(rig_open(rig), 0);
    memory_record(rig->memory);
}

void rig_finish(struct rig *rig)
{
    log_close(rig->log);
    rig->medium->close(rig->medium);
    memory_destroy(rig->memory);
}

void rig_again(struct rig *rig, struct memory *memory)
{
    rig_finish(rig);
    rig->memory = memory;
    rig->medium = memory_medium(memory, "group");
    memory_record(memory);
    assert_int_equal(rig_open(rig), 0);
}

int rig_put(struct rig *rig, const struct sent *sent, bool fua)
{
    struct weir_text why = { 0 };

    int r = log_receive(rig->log, sent->position, sent->bytes, sent->size, fua, &why);
    assert_true((r == 0) == (why.length == 0)); /* each refusal has its sentence, and only those */
    text_finish(&why);
    return r;
}

int rig_send(struct rig *rig, struct sent sent, bool fua)
{
    int r = rig_put(rig, &sent, fua);

    free(sent.bytes);
    return r;
}

struct log_end rig_end(struct rig *rig)
{
    struct log_end received, durable;

    log_ends(rig->log, &received, &durable);
    assert_true(durable.position <= received.position);
    return received;
}

void rig_expect(struct rig *rig, const uint64_t *positions, unsigned count)
{
    log_work(rig->log);
    assert_int_equal(rig->count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(rig->handed[i], positions[i]);
}
