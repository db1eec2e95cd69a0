/* test-events.c - who is asked, told and untold when something happens to a disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static struct {
    char text[1024];
    const char *name;
    uint64_t size;
    int refuser;
} asked;

static int note(struct probe *p, const struct weir_event *event, struct weir_text *why)
{
    size_t at = strlen(asked.text);

    snprintf(asked.text + at, sizeof(asked.text) - at, "%s%d%s", at ? " " : "", p->index,
             event->phase == WEIR_PREPARE  ? "?"
             : event->phase == WEIR_COMMIT ? "!"
                                           : "~");
    asked.size = event->size;
    must(asked.name == NULL || strcmp(event->name, asked.name) == 0);
    if (event->phase == WEIR_PREPARE && p->index == asked.refuser) {
        weir_print(why, "probe%d would rather not", p->index);
        return -EBUSY;
    }
    return 0;
}

static void open_asked(unsigned count)
{
    memset(&asked, 0, sizeof(asked));
    asked.refuser = -1;
    assert_int_equal(stage_open(count), 0);
    for (int i = 0; i < PROBES; i++)
        probes[i].event = note;
}

static char why_not[256];

static int happen(enum weir_event_type type, const char *name, uint64_t size)
{
    struct weir_text why = { 0 };

    asked.text[0] = '\0';
    asked.name = name;
    int r = export_event(stage, type, name, size, &why);
    snprintf(why_not, sizeof(why_not), "%s", text_string(&why));
    text_finish(&why);
    return r;
}

static void test_prepare_then_commit(void **state)
{
    static const enum weir_event_type types[] = { WEIR_EVENT_SNAPSHOT, WEIR_EVENT_CLONE,
                                                  WEIR_EVENT_MIGRATE, WEIR_EVENT_DELETE };

    (void)state;
    open_asked(3);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        assert_int_equal(happen(types[i], "copy", 0), 0);
        assert_string_equal(asked.text, "0? 1? 2? 0! 1! 2!");
        assert_int_equal(asked.size, DISK);
    }
}

static void test_a_refusal_cancels_those_before_in_reverse(void **state)
{
    static const char *const expected[] = { "0?", "0? 1? 0~", "0? 1? 2? 1~ 0~",
                                            "0? 1? 2? 3? 2~ 1~ 0~" };

    (void)state;
    open_asked(4);
    for (int i = 0; i < 4; i++) {
        asked.refuser = i;
        assert_int_equal(happen(WEIR_EVENT_SNAPSHOT, "s1", 0), -EBUSY);
        assert_string_equal(asked.text, expected[i]);
        assert_non_null(strstr(why_not, "would rather not"));
    }
    asked.refuser = -1;
    assert_int_equal(happen(WEIR_EVENT_SNAPSHOT, "s1", 0), 0);
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), 0);
}

static void test_a_failed_store_cancels_all(void **state)
{
    (void)state;
    open_asked(3);
    store_event_error = -ENOSPC;
    assert_int_equal(happen(WEIR_EVENT_SNAPSHOT, "s1", 0), -ENOSPC);
    assert_string_equal(asked.text, "0? 1? 2? 2~ 1~ 0~");
    assert_int_equal(happen(WEIR_EVENT_GROW, NULL, 2 * DISK), -ENOSPC);
    assert_string_equal(asked.text, "0? 1? 2? 2~ 1~ 0~");
}

static int keep_a_header(struct probe *p, struct weir_geometry *geometry, struct weir_text *why)
{
    (void)p;
    (void)why;
    geometry->size -= 4096;
    return 0;
}

static void test_grow_is_by_what_clients_see(void **state)
{
    struct weir_geometry geometry;

    (void)state;
    probes[0].geometry = keep_a_header;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(export_event(stage, WEIR_EVENT_GROW, NULL, 2 * DISK, NULL), 0);
    export_geometry(stage, &geometry);
    assert_int_equal(geometry.size, 2 * DISK);
}

static uint64_t size_told[PROBES];

static int note_size(struct probe *p, const struct weir_event *event, struct weir_text *why)
{
    (void)why;
    size_told[p->index] = event->size;
    return 0;
}

static void test_each_filter_is_told_its_own_size(void **state)
{
    (void)state;
    probes[0].geometry = keep_a_header;
    assert_int_equal(stage_open(2), 0);
    probes[0].event = probes[1].event = note_size;
    assert_int_equal(export_event(stage, WEIR_EVENT_SNAPSHOT, "s", 0, NULL), 0);
    assert_int_equal(size_told[0], DISK - 4096);
    assert_int_equal(size_told[1], DISK);
    assert_int_equal(export_event(stage, WEIR_EVENT_GROW, NULL, 2 * DISK - 4096, NULL), 0);
    assert_int_equal(size_told[0], 2 * DISK - 4096);
    assert_int_equal(size_told[1], 2 * DISK);
}

static void test_grow_gives_the_new_size(void **state)
{
    struct weir_geometry geometry;

    (void)state;
    open_asked(2);
    assert_int_equal(happen(WEIR_EVENT_GROW, NULL, 2 * DISK), 0);
    assert_string_equal(asked.text, "0? 1? 0! 1!");
    assert_int_equal(asked.size, 2 * DISK);
    export_geometry(stage, &geometry);
    assert_int_equal(geometry.size, 2 * DISK);
    weir_geometry(probes[1].below, &geometry);
    assert_int_equal(geometry.size, 2 * DISK);
    assert_int_equal(happen(WEIR_EVENT_GROW, NULL, DISK), -EINVAL);
    assert_string_equal(asked.text, "");
    assert_non_null(strstr(why_not, "shrink"));
}

/* The disk stands still meanwhile: nobody is between down() and up(). */
static atomic_int under_way;

static int none_under_way(struct probe *p, const struct weir_event *event, struct weir_text *why)
{
    (void)event;
    (void)why;
    must(atomic_load(&under_way) == 0);
    must(weir_flush(p->below, 0) == 0); /* its own I/O still goes */
    return 0;
}

static enum weir_verdict come(struct probe *p, struct weir_request *req)
{
    (void)p;
    if (req->op == WEIR_WRITE)
        atomic_fetch_add(&under_way, 1);
    return WEIR_PASS;
}

static enum weir_verdict go(struct probe *p, struct weir_request *req)
{
    (void)p;
    if (req->op == WEIR_WRITE)
        atomic_fetch_sub(&under_way, 1);
    return WEIR_PASS;
}

static atomic_bool stop_writing;

static void *keep_writing(void *number)
{
    static uint8_t data[512];
    intptr_t errors = 0;

    while (!atomic_load(&stop_writing))
        errors += ask(WEIR_WRITE, (uintptr_t)number * sizeof(data), sizeof(data), 0, data) != 0;
    return (void *)errors;
}

static void test_the_disk_stands_still_for_events(void **state)
{
    pthread_t threads[2];
    void *errors;

    (void)state;
    probes[0].down = come;
    probes[0].up = go;
    assert_int_equal(stage_open(2), 0);
    probes[1].event = none_under_way;
    atomic_store(&stop_writing, false);
    for (uintptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_writing, (void *)i), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(export_event(stage, WEIR_EVENT_SNAPSHOT, "s", 0, NULL), 0);
    atomic_store(&stop_writing, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &errors);
        assert_null(errors);
    }
}

static void test_stun_holds_clients_until_unstun(void **state)
{
    static uint8_t data[512];
    struct client c;
    struct export_view view;

    (void)state;
    open_asked(2);
    assert_int_equal(export_stun(stage, NULL), 0);
    assert_string_equal(asked.text, "0? 1?");
    client_start(&c, WEIR_WRITE, 0, sizeof(data), data);
    for (bool waits = false; !waits;) {
        assert_int_equal(export_view(stage, &view), 0);
        waits = view.waiting == 1;
        export_view_finish(&view);
    }
    assert_false(atomic_load(&c.done));
    assert_int_equal(export_event(stage, WEIR_EVENT_SNAPSHOT, "s", 0, NULL), -EBUSY);
    export_unstun(stage);
    assert_int_equal(client_wait(&c), 0);
    assert_string_equal(asked.text, "0? 1? 0! 1!");
}

static int count_runs(void *self, const char *arguments, struct weir_text *answer)
{
    (void)answer;
    must(strcmp(arguments, "twice") == 0);
    (*(struct probe **)self)->error++;
    return 0;
}

static void test_verbs_are_refused_during_a_stun(void **state)
{
    static const struct weir_verb verbs[] = {
        { .name = "count", .help = "Counts.", .run = count_runs }, { 0 }
    };
    cleanup_text struct weir_text answer = { 0 };

    (void)state;
    probes[0].library.filter.verbs = verbs;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(export_stun(stage, NULL), 0);
    assert_int_equal(export_run_verb(stage, "probe0", "count", "twice", &answer), -EBUSY);
    assert_string_equal(text_string(&answer), "export stage is stunned: unstun it first");
    assert_int_equal(probes[0].error, 0);
    export_unstun(stage);
    assert_int_equal(export_run_verb(stage, "probe0", "count", "twice", NULL), 0);
    assert_int_equal(probes[0].error, 1);
}

static void test_a_refused_stun_leaves_the_disk_running(void **state)
{
    static uint8_t data[512];

    (void)state;
    open_asked(2);
    asked.refuser = 1;
    assert_int_equal(export_stun(stage, NULL), -EBUSY);
    assert_string_equal(asked.text, "0? 1? 0~");
    assert_int_equal(ask(WEIR_WRITE, 0, sizeof(data), 0, data), 0);
    export_unstun(stage); /* of one that is not stunned: nothing */
    assert_string_equal(asked.text, "0? 1? 0~");
}

static void test_open_and_close_are_events(void **state)
{
    (void)state;
    memset(&asked, 0, sizeof(asked));
    asked.refuser = -1;
    probes[0].event = probes[1].event = note;
    assert_int_equal(stage_open(2), 0);
    assert_string_equal(asked.text, "0? 1? 0! 1!");
    asked.text[0] = '\0';
    stage_close();
    assert_string_equal(asked.text, "0? 1? 0! 1!");
}

static void count_detach(struct probe *p)
{
    p->error++;
}

static void test_a_refused_open_locks_the_export(void **state)
{
    (void)state;
    memset(&asked, 0, sizeof(asked));
    asked.refuser = 1;
    for (int i = 0; i < 2; i++) {
        probes[i].event = note;
        probes[i].detach = count_detach;
    }
    assert_int_equal(stage_open(2), -EBUSY);
    assert_string_equal(asked.text, "0? 1? 0~");
    assert_string_equal(stage_why, "probe1 would rather not");
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(probes[0].error + probes[1].error, 2);
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), EIO);
    asked.refuser = -1;
    assert_int_equal(export_open(stage, NULL), 0);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
    assert_int_equal(ask(WEIR_FLUSH, 0, 0, 0, NULL), 0);
}

static int refuse_attach(struct probe *p, struct weir_text *why)
{
    weir_print(why, "probe%d has no key", p->index);
    return -EPERM;
}

static void test_a_refused_attach_detaches_those_below(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        probes[i].detach = count_detach;
    probes[1].attach = refuse_attach;
    assert_int_equal(stage_open(3), -EPERM);
    assert_string_equal(stage_why, "probe1 has no key");
    assert_int_equal(probes[0].error, 0);
    assert_int_equal(probes[1].error, 0);
    assert_int_equal(probes[2].error, 1);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_prepare_then_commit),
        STAGE_TEST(test_a_refusal_cancels_those_before_in_reverse),
        STAGE_TEST(test_a_failed_store_cancels_all),
        STAGE_TEST(test_grow_gives_the_new_size),
        STAGE_TEST(test_grow_is_by_what_clients_see),
        STAGE_TEST(test_each_filter_is_told_its_own_size),
        STAGE_TEST(test_the_disk_stands_still_for_events),
        STAGE_TEST(test_stun_holds_clients_until_unstun),
        STAGE_TEST(test_verbs_are_refused_during_a_stun),
        STAGE_TEST(test_a_refused_stun_leaves_the_disk_running),
        STAGE_TEST(test_open_and_close_are_events),
        STAGE_TEST(test_a_refused_open_locks_the_export),
        STAGE_TEST(test_a_refused_attach_detaches_those_below),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
