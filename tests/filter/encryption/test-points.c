/* test-points.c - is a disk as it was readable as the disk is, and for those alone who have its
 * key?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../../verdict/stage.h"

#include "dynamic.h"
#include "gateway.h"

#include <sys/stat.h>

enum { SIZE = 24 << 20, AT = 1 << 20 };

/* ---- a store that keeps one state of the past -------------------------------------- */

static uint8_t *present, *past; /* as they are stored */

struct past_store {
    uint8_t *bytes;
    bool own; /* a scratch */
};

static int past_open(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    struct past_store *s = self;

    (void)config;
    (void)why;
    s->bytes = image->base ? past : present;
    s->own = image->base && !image->read_only;
    if (!s->own)
        return 0;
    s->bytes = malloc(SIZE);
    if (!s->bytes)
        return -ENOMEM;
    memcpy(s->bytes, past, SIZE);
    return 0;
}

static void past_close(void *self)
{
    struct past_store *s = self;

    if (s->own)
        free(s->bytes);
}

static void past_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){
        .size = SIZE, .block_min = 1, .block_preferred = 4096, .ops = WEIR_ALL_OPS
    };
}

static int past_serve(void *self, struct weir_request *req)
{
    struct past_store *s = self;

    if (req->op == WEIR_READ)
        memcpy(req->data, s->bytes + req->offset, req->length);
    else if (WEIR_CHANGES & WEIR_OP(req->op) && s->bytes == past)
        return -EROFS; /* nobody changes the past */
    else if (req->op == WEIR_WRITE)
        memcpy(s->bytes + req->offset, req->data, req->length);
    else if (req->op == WEIR_ZERO || req->op == WEIR_TRIM)
        memset(s->bytes + req->offset, 0, req->length);
    return 0;
}

static int past_point(const char *image, bool *written, struct weir_text *why)
{
    (void)why;
    *written = strchr(image, '+') != NULL;
    return 0;
}

static const struct weir_option no_options[] = { { 0 } };
static const struct store_type past_type = {
    .name = "past",
    .summary = "One disk and its past.",
    .self_size = sizeof(struct past_store),
    .config_size = 8,
    .options = no_options,
    .open = past_open,
    .geometry = past_geometry,
    .serve = past_serve,
    .close = past_close,
    .point = past_point,
};

/* ---- an encrypted disk ------------------------------------------------------------------ */

static char key_file[64];
static char disk[16]; /* its name: another one in each test, for each is another disk */

static void set(struct settings *settings, const char *option, const char *value)
{
    cleanup_text struct weir_text why = { 0 };

    if (settings_set(settings, option, value, &why))
        fail_msg("%s", text_string(&why));
}

static void add_disk(void)
{
    const struct datastore_setup store = { .name = "past", .type = &past_type };
    struct export_config config = { .name = strdup(disk),
                                    .description = strdup(""),
                                    .image = strdup("disk") };
    struct plan plan = { .count = 1 };
    cleanup_text struct weir_text why = { 0 };
    char folder[256], key[96];
    struct export *e;

    snprintf(folder, sizeof(folder), "%s/filters", getenv("WEIR_BUILD"));
    assert_int_equal(loader_path(folder), 0);
    assert_int_equal(loader_get("encryption", &plan.filter[0].library, &why), 0);
    const struct weir_filter *f = &plan.filter[0].library->filter;
    plan.filter[0].label = strdup("encryption");
    assert_int_equal(settings_create(f->options, f->config_size, &plan.filter[0].settings, NULL),
                     0);
    snprintf(key, sizeof(key), "file:%s", key_file);
    set(plan.filter[0].settings, "key", key);
    set(plan.filter[0].settings, "format", "true");
    set(plan.filter[0].settings, "pbkdf", "pbkdf2");
    set(plan.filter[0].settings, "pbkdf_time", "5ms");
    assert_int_equal(datastore_create(&store, &config.datastore), 0);
    assert_int_equal(export_create(&config, &plan, &e), 0);
    assert_int_equal(gateway_add(e), 0);
    if (export_open(e, &why))
        fail_msg("%s", text_string(&why));
    export_unref(e);
}

static int setup(void **state)
{
    static int disks;

    stage_setup(state);
    snprintf(disk, sizeof(disk), "vm%d", ++disks);
    present = calloc(1, SIZE);
    past = calloc(1, SIZE);
    assert_true(present && past);
    snprintf(key_file, sizeof(key_file), "%s/key", places()->state);
    FILE *f = fopen(key_file, "w");
    assert_non_null(f);
    fputs("correct horse", f);
    fclose(f);
    chmod(key_file, 0600);
    dynamic_changes(NULL);
    add_disk();
    return 0;
}

static int teardown(void **state)
{
    dynamic_stop();
    gateway_remove(disk);
    free(present);
    free(past);
    return stage_teardown(state);
}

static int come(const char *point, struct export **ret, struct weir_text *why)
{
    char name[64];

    snprintf(name, sizeof(name), "%s@%s", disk, point);
    struct export *base = dynamic_base(name);
    assert_non_null(base);
    int r = dynamic_open(base, name, ret, why);
    export_unref(base);
    return r;
}

static void move(struct export *e, enum weir_op op, uint8_t *block)
{
    struct weir_request req = { .op = op, .offset = AT, .length = 4096, .data = block };

    assert_int_equal(export_serve(e, &req), 0);
}

/* Writes 4 KiB of `byte`. */
static void fill(struct export *e, uint8_t byte)
{
    uint8_t block[4096];

    memset(block, byte, sizeof(block));
    move(e, WEIR_WRITE, block);
}

static void holds(struct export *e, uint8_t byte)
{
    uint8_t block[4096], wanted[4096];

    memset(wanted, byte, sizeof(wanted));
    move(e, WEIR_READ, block);
    assert_memory_equal(block, wanted, sizeof(block));
}

/* ---- tests ------------------------------------------------------------------------------ */

static void test_the_past_is_decrypted(void **state)
{
    struct export *vm1 = gateway_find(disk), *was, *scratch;
    uint8_t wanted[4096];

    (void)state;
    fill(vm1, 0x11);
    memcpy(past, present, SIZE);
    fill(vm1, 0x22);
    memset(wanted, 0x11, sizeof(wanted));
    for (size_t at = 0; at < SIZE; at += sizeof(wanted))
        assert_memory_not_equal(past + at, wanted, sizeof(wanted));

    assert_int_equal(come("past", &was, NULL), 0);
    assert_int_equal(come("past+test", &scratch, NULL), 0);
    holds(was, 0x11);
    holds(scratch, 0x11);
    fill(scratch, 0x33);
    holds(scratch, 0x33);
    holds(was, 0x11);
    holds(vm1, 0x22);
    dynamic_leave(was);
    dynamic_leave(scratch);
    export_unref(vm1);
}

static void test_who_has_no_key_gets_nothing(void **state)
{
    struct export *vm1 = gateway_find(disk), *was;
    struct weir_text why = { 0 };

    (void)state;
    memcpy(past, present, SIZE);
    /* by hand, which an opening of the past must not get around */
    assert_int_equal(export_run_verb(vm1, "encryption", "lock", "", &why), 0);
    text_clear(&why);
    assert_int_not_equal(come("past", &was, &why), 0);
    assert_non_null(strstr(text_string(&why), "the verb lock took the key away"));
    text_clear(&why);
    assert_int_equal(export_run_verb(vm1, "encryption", "unlock", "", &why), 0);
    assert_int_equal(come("past", &was, NULL), 0);
    dynamic_leave(was);
    /* the key is another one by now */
    FILE *f = fopen(key_file, "w");
    fputs("wrong horse", f);
    fclose(f);
    text_clear(&why);
    assert_int_not_equal(come("past", &was, &why), 0);
    assert_true(why.length > 0);
    text_finish(&why);
    export_unref(vm1);
}

/* What was never formatted is no disk, and reading it formats nothing. */
static void test_what_was_there_before_the_disk_is_not_served(void **state)
{
    struct weir_text why = { 0 };
    struct export *was;

    (void)state;
    assert_int_not_equal(come("past", &was, &why), 0);
    assert_non_null(strstr(text_string(&why), "LUKS"));
    for (size_t at = 0; at < SIZE; at++)
        assert_int_equal(past[at], 0);
    text_finish(&why);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_past_is_decrypted),
        TEST(test_who_has_no_key_gets_nothing),
        TEST(test_what_was_there_before_the_disk_is_not_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
