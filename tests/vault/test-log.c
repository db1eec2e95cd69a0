/* test-log.c - does a log hold what it has answered for, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log-rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { K = 1024, FRAME = 8 * K }; /* the size of a frame of 4 KiB of data */

static void test_in_order(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t at[3];

    rig_init(&rig, 0);
    for (unsigned i = 0; i < 3; i++) {
        struct sent sent = source_frame(&rig.source, 0, 0, 4 * K, (int)i);
        at[i] = sent.position;
        assert_int_equal(rig_send(&rig, sent, i == 1), 0);
    }
    struct log_end end = rig_end(&rig);
    assert_memory_equal(&end, &rig.source.end, sizeof(end));
    rig_expect(&rig, at, 3);
    rig_again(&rig, memory_copy(rig.memory));
    rig_expect(&rig, at, 3);
    end = rig_end(&rig);
    assert_memory_equal(&end, &rig.source.end, sizeof(end));
    rig_finish(&rig);
}

static void test_any_order(void **state)
{
    (void)state;
    static const unsigned order[] = { 3, 1, 4, 2, 0 };
    struct rig rig;
    struct sent sent[5];
    uint64_t at[5];

    rig_init(&rig, 0);
    for (unsigned i = 0; i < 5; i++) {
        sent[i] = source_frame(&rig.source, 0, 0, 4 * K, (int)i);
        at[i] = sent[i].position;
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rig_end(&rig).position, 0);
        assert_int_equal(rig_send(&rig, sent[order[i]], false), 0);
    }
    assert_int_equal(rig_end(&rig).position, rig.source.end.position);
    rig_expect(&rig, at, 5);
    rig_finish(&rig);
}

/* A frame that is here is here; another one is a fork behind the end, and replaces ahead of it. */
static void test_twice(void **state)
{
    (void)state;
    struct rig rig, other;

    rig_init(&rig, 0);
    rig_init(&other, 0);
    struct sent first = source_frame(&rig.source, 0, 0, 4 * K, 1);
    struct sent second = source_frame(&rig.source, 0, 0, 4 * K, 2);
    struct sent fork = source_frame(&other.source, 0, 0, 4 * K, 3);
    struct source split = rig.source;
    split.end = (struct log_end){ second.position, first.position, frame_digest(first.bytes), 1 };
    split.lsn = 1;
    struct sent third = source_frame(&split, 0, 0, 8 * K, 4); /* in the place of the second */

    assert_int_equal(rig_put(&rig, &second, false), 0);
    assert_int_equal(rig_put(&rig, &second, false), 0);
    assert_int_equal(rig_put(&rig, &third, false), 0);
    assert_int_equal(rig_put(&rig, &first, false), 0);
    assert_int_equal(rig_end(&rig).last_digest, split.end.last_digest);
    assert_int_equal(rig_put(&rig, &first, true), 0);
    assert_int_equal(rig_put(&rig, &third, false), 0);
    assert_int_equal(rig_put(&rig, &second, false), -EIO);
    assert_int_equal(rig_put(&rig, &fork, false), -EIO);
    assert_int_equal(rig_put(&rig, &first, false), 0);
    free(first.bytes);
    free(second.bytes);
    free(third.bytes);
    free(fork.bytes);
    rig_finish(&rig);
    rig_finish(&other);
}

static void test_chain(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 0);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 1), false), 0);
    struct source s = rig.source;
    s.end.last_digest++;
    assert_int_equal(rig_send(&rig, source_frame(&s, 0, 0, 4 * K, 2), false), -EIO);
    s = rig.source;
    s.end.last_position += FRAME_ALIGN;
    assert_int_equal(rig_send(&rig, source_frame(&s, 0, 0, 4 * K, 2), false), -EIO);
    s = rig.source;
    s.lsn = 0; /* its LSN does not rise */
    assert_int_equal(rig_send(&rig, source_frame(&s, 0, 0, 4 * K, 2), false), -EIO);
    /* arrived early, it does not follow when its turn comes */
    s = rig.source;
    struct sent next = source_frame(&rig.source, 0, 0, 4 * K, 3);
    assert_int_equal(next.position, FRAME);
    s.end = rig.source.end;
    s.end.last_digest++;
    assert_int_equal(rig_send(&rig, source_frame(&s, 0, 0, 4 * K, 2), false), 0);
    assert_int_equal(rig_send(&rig, next, false), 0);
    assert_int_equal(rig_end(&rig).position, 2 * FRAME);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 3), true), 0);
    rig_finish(&rig);
}

/* Nothing of what is wrong is written. */
static void test_judged_first(void **state)
{
    (void)state;
    static const struct frame_key key = { "one" }, another = { "two" };
    struct rig rig;

    rig_init(&rig, 0);
    rig.source.key = &another;
    struct sent sent = source_frame(&rig.source, 0, 0, 4 * K, 1);
    const uint64_t writes = memory_calls(rig.memory, MEMORY_CALL_WRITE);
    uint8_t *byte = sent.bytes;
    for (size_t i = 0; i < 4200; i += i < 200 ? 1 : 97) {
        byte[i] ^= 4;
        assert_true(rig_put(&rig, &sent, false) < 0);
        byte[i] ^= 4;
    }
    sent.size -= FRAME_ALIGN;
    assert_int_equal(rig_put(&rig, &sent, false), -EINVAL);
    sent.size = 100;
    assert_int_equal(rig_put(&rig, &sent, false), -EINVAL);
    sent.size = FRAME;
    sent.position += FRAME_ALIGN;
    assert_int_equal(rig_put(&rig, &sent, false), -EINVAL);
    sent.position = 0;
    log_close(rig.log);
    rig.setup.key = &key;
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(rig_put(&rig, &sent, false), -EKEYREJECTED);
    assert_int_equal(memory_calls(rig.memory, MEMORY_CALL_WRITE), writes);
    log_close(rig.log);
    rig.setup.key = &another;
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(rig_send(&rig, sent, true), 0);
    rig_finish(&rig);
}

static void test_too_far_ahead(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 0);
    rig.source.end.position = LOG_AHEAD;
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 1), false), -EINVAL);
    rig_finish(&rig);
}

/* What does not fit begins with the next segment; found again by reads, scans and recovery. */
static int count_frame(void *arg, const struct frame *frame, const void *payload)
{
    (void)payload;
    ((uint64_t *)arg)[0]++;
    ((uint64_t *)arg)[1] = frame->position;
    return 0;
}

static void test_segments(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t at[4], seen[2] = { 0 };
    struct frame frame;
    char data[8 * K], expected[8 * K];
    void *payload;

    rig_init(&rig, 24 * K);
    for (unsigned i = 0; i < 4; i++) {
        struct sent sent = source_frame(&rig.source, i % 2 ? FRAME_ZSTD : 0, 0, 8 * K, (int)i);
        at[i] = sent.position;
        assert_int_equal(rig_send(&rig, sent, i == 2), 0);
    }
    assert_int_equal(at[1], SEGMENT - 12 * K);
    assert_int_equal(at[2], SEGMENT); /* 12 KiB do not fit; compressed it is 4 */
    rig_expect(&rig, at, 4);
    for (int round = 0; round < 2; round++) {
        seen[0] = 0;
        assert_int_equal(log_scan(rig.log, at[0], UINT64_MAX, count_frame, seen), 0);
        assert_int_equal(seen[0], 4);
        assert_int_equal(seen[1], at[3]);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(log_read_frame(rig.log, at[i], &frame, &payload), 0);
            assert_int_equal(frame.position, at[i]);
            free(payload);
            memset(expected, (int)i, sizeof(expected));
            assert_int_equal(log_read_data(rig.log, at[i], FRAME_RECORD, data, sizeof(data)), 0);
            assert_memory_equal(data, expected, sizeof(data));
        }
        assert_int_equal(log_read_frame(rig.log, at[0] + FRAME_ALIGN, &frame, &payload), -ENODATA);
        assert_int_equal(log_read_frame(rig.log, at[3] + FRAME_ALIGN, &frame, &payload), -ENODATA);
        rig_again(&rig, memory_cut(rig.memory, memory_ops(rig.memory), MEMORY_ALL, 0));
    }
    rig_finish(&rig);
}

/* A frame that arrived ahead of a gap is gone after a restart, and is not believed after the next
 * one, when what came before it is there. */
static void test_stale_frames(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 0);
    struct sent first = source_frame(&rig.source, 0, 0, 4 * K, 1);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), false), 0);
    assert_int_equal(log_sync_all(rig.log), 0);
    for (int round = 0; round < 2; round++) {
        log_close(rig.log);
        assert_int_equal(rig_open(&rig), 0);
        assert_int_equal(rig_end(&rig).position, round ? FRAME : 0);
        assert_int_equal(rig_put(&rig, &first, true), 0);
        assert_int_equal(rig_end(&rig).position, FRAME);
    }
    free(first.bytes);
    rig_finish(&rig);
}

/* The same at the end of a segment: what was forgotten there would follow from its last frame as
 * the one does with which the log went on in the next segment. */
static void test_stale_tail(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 2 * FRAME);
    struct sent first = source_frame(&rig.source, 0, 0, 4 * K, 1);
    struct source s = rig.source;
    struct sent second = source_frame(&s, 0, 0, 4 * K, 2);
    assert_int_equal(rig_put(&rig, &second, false), 0);
    /* it restarts with a larger one, before the first is there */
    s = rig.source;
    struct sent larger = source_frame(&s, 0, 0, 16 * K, 3);
    assert_int_equal(larger.position, SEGMENT);
    assert_int_equal(log_settle(rig.log), 0);
    assert_int_equal(rig_put(&rig, &larger, false), 0); /* early: the first would still fit here */
    assert_int_equal(rig_put(&rig, &first, true), 0);
    assert_int_equal(rig_put(&rig, &larger, true), 0);
    assert_int_equal(rig_end(&rig).last_lsn, 2);
    assert_int_equal(rig_end(&rig).position, s.end.position);
    rig_again(&rig, memory_cut(rig.memory, memory_ops(rig.memory), MEMORY_SYNCED, 0));
    assert_int_equal(rig_end(&rig).position, s.end.position);
    free(first.bytes);
    free(second.bytes);
    free(larger.bytes);
    rig_finish(&rig);
}

/* Full is an answer: nothing is half done, and it goes on when there is room. */
static void test_full(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 0);
    log_close(rig.log);
    rig.setup.limit = 3 * FRAME;
    assert_int_equal(rig_open(&rig), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, i), false), 0);
    struct sent next = source_frame(&rig.source, 0, 0, 4 * K, 9);
    const uint64_t writes = memory_calls(rig.memory, MEMORY_CALL_WRITE);
    assert_int_equal(log_free_bytes(rig.log), 0);
    assert_int_equal(rig_put(&rig, &next, false), -ENOSPC);
    assert_int_equal(memory_calls(rig.memory, MEMORY_CALL_WRITE), writes);
    log_close(rig.log);
    rig.setup.limit = 0;
    assert_int_equal(rig_open(&rig), 0);
    memory_room(rig.memory, 3 * FRAME + 100);
    assert_int_equal(rig_put(&rig, &next, true), -ENOSPC);
    memory_room(rig.memory, UINT64_MAX);
    memory_fail(rig.memory, MEMORY_CALL_WRITE, NULL, 0, 1, ENOSPC); /* in its middle */
    assert_int_equal(rig_put(&rig, &next, true), -ENOSPC);
    assert_int_equal(rig_end(&rig).position, 3 * FRAME);
    assert_int_equal(rig_put(&rig, &next, true), 0);
    rig_again(&rig, memory_cut(rig.memory, memory_ops(rig.memory), MEMORY_SYNCED, 0));
    assert_int_equal(rig_end(&rig).position, 4 * FRAME);
    free(next.bytes);
    rig_finish(&rig);
}

/* What the kernel could not write it may have dropped: nothing after it is durable. */
static void test_failed_sync(void **state)
{
    (void)state;
    struct rig rig;
    struct log_end received, durable;

    rig_init(&rig, 0);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 1), true), 0);
    memory_fail(rig.memory, MEMORY_CALL_SYNC, NULL, 0, 1, EIO);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), -EIO);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 3), false), -EIO);
    assert_int_equal(log_sync_all(rig.log), -EIO);
    assert_int_equal(log_failed(rig.log, NULL), -EIO);
    log_ends(rig.log, &received, &durable);
    assert_int_equal(durable.position, FRAME);
    rig_finish(&rig);
}

static void test_trim(void **state)
{
    (void)state;
    struct rig rig;
    struct frame frame;
    void *payload;

    rig_init(&rig, FRAME);
    struct sent first = source_frame(&rig.source, 0, 0, 4 * K, 1);
    assert_int_equal(rig_put(&rig, &first, false), 0);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    log_work(rig.log);
    assert_int_equal(log_trim(rig.log, SEGMENT), 0);
    assert_int_equal(log_used(rig.log), FRAME);
    assert_int_equal(log_read_frame(rig.log, first.position, &frame, &payload), -ENODATA);
    assert_int_equal(rig_put(&rig, &first, true), 0); /* of what was trimmed nobody says no */
    free(first.bytes);
    rig_finish(&rig);
}

static void test_cut(void **state)
{
    (void)state;
    struct rig rig;

    rig_init(&rig, 2 * FRAME);
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 1), true), 0);
    const struct source at = rig.source;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_send(&rig, source_frame(&rig.source, FRAME_PART, 0, 4 * K, i), true),
                         0);
    assert_int_equal(log_settle(rig.log), 0);
    assert_int_equal(rig.count, 4);
    assert_int_equal(log_cut(rig.log, &at.end), 0);
    rig_again(&rig, memory_cut(rig.memory, memory_ops(rig.memory), MEMORY_SYNCED, 0));
    assert_int_equal(rig_end(&rig).position, SEGMENT - FRAME);
    rig.source = at;
    rig.source.token = 9;
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 7), true), 0);
    rig_finish(&rig);
}

/* Whoever applies frames cannot: it is asked again, with the same frame, and others come meanwhile.
 */
static void test_refused(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t at = 0;

    rig_init(&rig, 0);
    rig.answer = -ENOSPC;
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 1), true), 0);
    log_work(rig.log);
    assert_int_equal(log_failed(rig.log, NULL), -ENOSPC);
    assert_int_equal(log_settle(rig.log), -ENOSPC);
    rig.answer = 0;
    rig_expect(&rig, &at, 1);
    assert_int_equal(log_failed(rig.log, NULL), 0);
    rig.answer = -EBADMSG;
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 2), true), 0);
    log_work(rig.log);
    assert_true(log_is_refused(rig.log));
    assert_int_equal(rig_send(&rig, source_frame(&rig.source, 0, 0, 4 * K, 3), true), 0);
    rig.answer = 0;
    log_work(rig.log);
    assert_int_equal(rig.count, 3);
    assert_false(log_is_refused(rig.log));
    rig_finish(&rig);
}

/* A log whose frames cannot be applied opens: what it has is handed over when it can be. */
static void test_refused_at_recovery(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t at[4];

    rig_init(&rig, 0);
    for (int i = 0; i < 3; i++) {
        struct sent sent = source_frame(&rig.source, 0, 0, 4 * K, i);
        at[i] = sent.position;
        assert_int_equal(rig_send(&rig, sent, true), 0);
    }
    rig.answer = -ENOSPC;
    rig_again(&rig, memory_cut(rig.memory, memory_ops(rig.memory), MEMORY_SYNCED, 0));
    assert_int_equal(rig_end(&rig).last_lsn, 3);
    assert_int_equal(log_failed(rig.log, NULL), -ENOSPC);
    struct sent sent = source_frame(&rig.source, 0, 0, 4 * K, 9);
    at[3] = sent.position;
    assert_int_equal(rig_send(&rig, sent, true), 0);
    assert_int_equal(log_settle(rig.log), -ENOSPC);
    assert_int_equal(rig.count, 0);
    rig.answer = 0;
    rig_expect(&rig, at, 4);
    assert_int_equal(log_settle(rig.log), 0);
    rig_finish(&rig);
}

/* ---- threads -------------------------------------------------------------------------------- */

struct late {
    struct rig *rig;
    struct sent sent;
    int answer;
};

static void *send_fua(void *arg)
{
    struct late *l = arg;

    l->answer = rig_put(l->rig, &l->sent, true);
    return NULL;
}

/* With FUA it waits for what is missing before it, or for who says that it will not come. */
static void test_fua_waits(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t thread;
    struct log_end received, durable;

    for (int settle = 0; settle < 2; settle++) {
        rig_init(&rig, 0);
        struct sent first = source_frame(&rig.source, 0, 0, 4 * K, 1);
        struct late late = { &rig, source_frame(&rig.source, 0, 0, 4 * K, 2), 1 };
        assert_int_equal(pthread_create(&thread, NULL, send_fua, &late), 0);
        while (log_used(rig.log) == 0)
            usleep(1000);
        if (settle)
            assert_int_equal(log_settle(rig.log), 0);
        else
            assert_int_equal(rig_put(&rig, &first, false), 0);
        pthread_join(thread, NULL);
        assert_int_equal(late.answer, settle ? -EIO : 0);
        log_ends(rig.log, &received, &durable);
        assert_int_equal(durable.position, settle ? 0 : 2 * FRAME);
        free(first.bytes);
        free(late.sent.bytes);
        rig_finish(&rig);
    }
}

static bool hold; /* test_group_commit: the first sync stays until all others wait */

static void gate(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    (void)arg;
    (void)name;
    (void)offset;
    while (call == MEMORY_CALL_SYNC && __atomic_load_n(&hold, __ATOMIC_ACQUIRE))
        usleep(1000);
}

/* Many that wait share a sync. */
static void test_group_commit(void **state)
{
    (void)state;
    enum { MANY = 16 };
    struct rig rig;
    pthread_t thread[MANY];
    struct late late[MANY];

    rig_init(&rig, 0);
    hold = true;
    memory_gate(rig.memory, gate, NULL);
    for (unsigned i = 0; i < MANY; i++)
        late[i] = (struct late){ &rig, source_frame(&rig.source, 0, 0, 4 * K, (int)i), 1 };
    const uint64_t before = memory_calls(rig.memory, MEMORY_CALL_SYNC);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, send_fua, &late[i]), 0);
        while (rig_end(&rig).position < late[i].sent.position + FRAME)
            usleep(1000);
    }
    __atomic_store_n(&hold, false, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < MANY; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(late[i].answer, 0);
        free(late[i].sent.bytes);
    }
    assert_in_range(memory_calls(rig.memory, MEMORY_CALL_SYNC) - before, 1, 3);
    rig_finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_judged_first),
        cmocka_unit_test(test_too_far_ahead),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_stale_frames),
        cmocka_unit_test(test_stale_tail),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_at_recovery),
        cmocka_unit_test(test_fua_waits),
        cmocka_unit_test(test_group_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
