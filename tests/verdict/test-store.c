/* test-store.c - what do the statistics and verbs of a store meet while its export lives?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

/* ---- a store that tells ------------------------------------------------------ */

enum { MAGIC = 4711 };

struct told_store {
    int64_t magic; /* a self of another's does not have it */
};

static sem_t looking, look_on; /* a reader is inside; it may go on */
static bool slow;
static atomic_uint inside, closed_under_reader, verbs_run;

static int told_open(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    (void)image;
    (void)config;
    (void)why;
    ((struct told_store *)self)->magic = MAGIC;
    return 0;
}

static void told_close(void *self)
{
    if (atomic_load(&inside))
        atomic_fetch_add(&closed_under_reader, 1);
    ((struct told_store *)self)->magic = 0;
}

static void told_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = DISK, .block_min = 1, .ops = WEIR_ALL_OPS };
}

static int told_serve(void *self, struct weir_request *req)
{
    (void)self;
    return store_like_a_disk(req);
}

static int64_t value_of(void *self)
{
    atomic_fetch_add(&inside, 1);
    if (slow) {
        sem_post(&looking);
        take(&look_on);
    }
    int64_t value = ((struct told_store *)self)->magic;
    atomic_fetch_sub(&inside, 1);
    return value;
}

static void show_words(void *self, struct weir_text *text)
{
    weir_print(text, "%s", ((struct told_store *)self)->magic == MAGIC ? "two\nlines" : "?");
}

static int say(void *self, const char *arguments, struct weir_text *answer)
{
    atomic_fetch_add(&verbs_run, 1);
    must(((struct told_store *)self)->magic == MAGIC);
    weir_print(answer, "you said: %s", arguments);
    return *arguments ? 0 : -EINVAL;
}

static const struct weir_stat told_stats[] = {
    WEIR_STAT_VALUE(magic, value_of, "", "A number."),
    WEIR_STAT_TEXT(words, show_words, "A text."),
    /* what a store cannot have */
    { .name = "counted", .kind = WEIR_COUNTER, .help = "Nobody counts it." },
    { 0 },
};
static const struct weir_verb told_verbs[] = {
    { "say", "Says it again.", say },
    { 0 },
};
static const struct weir_option no_options[] = { { 0 } };
static const struct store_type told_type = {
    .name = "told",
    .summary = "It tells.",
    .self_size = sizeof(struct told_store),
    .config_size = 8,
    .options = no_options,
    .open = told_open,
    .geometry = told_geometry,
    .serve = told_serve,
    .close = told_close,
    .stats = told_stats,
    .verbs = told_verbs,
};

/* `servers`: of the emulated device that stands in front of it; NULL: none does. */
static void open_told(const char *servers)
{
    struct export_config config = { .name = strdup("stage"),
                                    .description = strdup(""),
                                    .image = strdup("") };
    struct plan plan = { 0 };
    struct settings *keys;

    assert_int_equal(settings_create(datastore_rows, sizeof(struct datastore_keys), &keys, NULL),
                     0);
    if (servers) {
        assert_int_equal(settings_set(keys, "emulate.servers", servers, NULL), 0);
        assert_int_equal(settings_set(keys, "emulate.service_time", "1us", NULL), 0);
    }
    const struct datastore_setup setup = { .name = "told", .type = &told_type, .keys = keys };
    assert_int_equal(datastore_create(&setup, &config.datastore), 0);
    settings_destroy(keys);
    assert_int_equal(export_create(&config, &plan, &stage), 0);
    assert_int_equal(export_open(stage, NULL), 0);
}

static void stat_is(const char *name, int error, const char *expected)
{
    struct weir_text text = { 0 };

    assert_int_equal(export_print_stat(stage, NULL, name, &text), error);
    assert_string_equal(text_string(&text), expected);
    text_finish(&text);
}

static void verb_says(const char *verb, const char *arguments, int error, const char *expected)
{
    struct weir_text text = { 0 };

    assert_int_equal(export_run_verb(stage, NULL, verb, arguments, &text), error);
    assert_string_equal(text_string(&text), expected);
    text_finish(&text);
}

/* ---- tests ------------------------------------------------------------------- */

static void test_a_store_tells_and_listens(void **state)
{
    (void)state;
    open_told(NULL);
    stat_is("magic", 0, "4711");
    stat_is("words", 0, "two\nlines");
    stat_is("nothing", -ENOENT, "");
    stat_is("counted", -EINVAL, "");
    verb_says("say", "hello", 0, "you said: hello");
    verb_says("say", "", -EINVAL, "you said: ");
    verb_says("sing", "", -ENOENT, "a store of type told has no verb \"sing\"; it has: say");
}

/* Its self is the store's, not the device's in front of it. */
static void test_an_emulated_store_tells_the_same(void **state)
{
    (void)state;
    open_told("1");
    stat_is("magic", 0, "4711");
    verb_says("say", "hello", 0, "you said: hello");
}

static void test_a_closed_store_tells_nothing(void **state)
{
    (void)state;
    open_told(NULL);
    assert_int_equal(export_close(stage), 0);
    stat_is("magic", -ENOENT, "");
    verb_says("say", "hello", -ENOENT, "export stage is not open");
    assert_int_equal(export_open(stage, NULL), 0);
    stat_is("magic", 0, "4711");
}

static void test_verbs_of_a_store_wait_for_the_stun_to_end(void **state)
{
    (void)state;
    open_told(NULL);
    atomic_store(&verbs_run, 0);
    assert_int_equal(export_stun(stage, NULL), 0);
    verb_says("say", "hello", -EBUSY, "export stage is stunned: unstun it first");
    assert_int_equal(atomic_load(&verbs_run), 0);
    stat_is("magic", 0, "4711");
    export_unstun(stage);
}

static void *read_value(void *unused)
{
    struct weir_text text = { 0 };

    (void)unused;
    must(export_print_stat(stage, NULL, "magic", &text) == 0);
    must(strcmp(text_string(&text), "4711") == 0);
    text_finish(&text);
    return NULL;
}

static void *close_it(void *unused)
{
    (void)unused;
    must(export_close(stage) == 0);
    return NULL;
}

static void test_a_store_is_not_closed_while_somebody_looks(void **state)
{
    pthread_t reader, closer;

    (void)state;
    open_told(NULL);
    sem_init(&looking, 0, 0);
    sem_init(&look_on, 0, 0);
    slow = true;
    atomic_store(&closed_under_reader, 0);
    assert_int_equal(pthread_create(&reader, NULL, read_value, NULL), 0);
    take(&looking);
    assert_int_equal(pthread_create(&closer, NULL, close_it, NULL), 0);
    wait_for(stage_state() == EXPORT_CLOSED); /* all but the store */
    struct weir_text text = { 0 };
    /* who comes now is turned away, so that readers that never end cannot keep it open */
    wait_for(export_print_stat(stage, NULL, "words", &text) == -ENOENT);
    text_finish(&text);
    sem_post(&look_on);
    pthread_join(reader, NULL);
    pthread_join(closer, NULL);
    slow = false;
    assert_int_equal(atomic_load(&closed_under_reader), 0);
    sem_destroy(&looking);
    sem_destroy(&look_on);
}

static atomic_bool enough;

static void *look_again_and_again(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough)) {
        struct weir_text text = { 0 };
        int r = export_print_stat(stage, NULL, "magic", &text);
        must(r == -ENOENT || (r == 0 && strcmp(text_string(&text), "4711") == 0));
        text_clear(&text);
        r = export_run_verb(stage, NULL, "say", "hello", &text);
        must(r == -ENOENT || r == 0);
        text_finish(&text);
    }
    return NULL;
}

static void test_readers_race_with_open_and_close(void **state)
{
    enum { READERS = 3, ROUNDS = 200 };
    pthread_t reader[READERS];

    (void)state;
    open_told(NULL);
    atomic_store(&enough, false);
    atomic_store(&closed_under_reader, 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, look_again_and_again, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(export_close(stage), 0);
        assert_int_equal(export_open(stage, NULL), 0);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(reader[i], NULL);
    assert_int_equal(atomic_load(&closed_under_reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_a_store_tells_and_listens),
        STAGE_TEST(test_an_emulated_store_tells_the_same),
        STAGE_TEST(test_a_closed_store_tells_nothing),
        STAGE_TEST(test_verbs_of_a_store_wait_for_the_stun_to_end),
        STAGE_TEST(test_a_store_is_not_closed_while_somebody_looks),
        STAGE_TEST(test_readers_race_with_open_and_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
