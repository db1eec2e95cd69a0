/* pointed.c - on what do the tests of exports that clients ask for stand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "pointed.h"

#include "dynamic.h"
#include "gateway.h"

/* ---- a store with points ------------------------------------------------------ */

struct point_store {
    char image[64];
    bool read_only;
};

atomic_uint opened, open_now, most_of_one;
static atomic_uint opens_of_one;
sem_t opening, open_on;
atomic_bool slow;
atomic_int open_error;

static int point_open(void *self, const struct store_image *image, const void *config,
                      struct weir_text *why)
{
    struct point_store *p = self;

    (void)config;
    snprintf(p->image, sizeof(p->image), "%s", image->image);
    p->read_only = image->read_only;
    if (!image->base)
        return 0;
    must(strncmp(export_name(image->base), "vm", 2) == 0);
    if (atomic_load(&slow)) {
        sem_post(&opening);
        take(&open_on);
    }
    if (atomic_load(&open_error)) {
        weir_print(why, "there is no point \"%s\"", strchr(p->image, '@') + 1);
        return atomic_load(&open_error);
    }
    atomic_fetch_add(&opened, 1);
    atomic_fetch_add(&open_now, 1);
    if (strcmp(p->image, "disk@one") == 0) {
        unsigned n = atomic_fetch_add(&opens_of_one, 1) + 1;
        if (n > atomic_load(&most_of_one))
            atomic_store(&most_of_one, n);
    }
    return 0;
}

static void point_close(void *self)
{
    const struct point_store *p = self;

    if (!strchr(p->image, '@'))
        return;
    atomic_fetch_sub(&open_now, 1);
    if (strcmp(p->image, "disk@one") == 0)
        atomic_fetch_sub(&opens_of_one, 1);
}

static void point_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = DISK, .block_min = 1, .ops = WEIR_ALL_OPS };
}

/* Reads its own name. */
static int point_serve(void *self, struct weir_request *req)
{
    const struct point_store *p = self;

    if (req->op == WEIR_READ) {
        memset(req->data, 0, req->length);
        memcpy(req->data, p->image, req->length < sizeof(p->image) ? req->length : 64);
    }
    return 0;
}

static int point_of(const char *image, bool *written, struct weir_text *why)
{
    if (strchr(image, '?')) {
        weir_print(why, "\"%s\" is no point", strchr(image, '@') + 1);
        return -EINVAL;
    }
    *written = strchr(image, '+') != NULL;
    return 0;
}

static const struct weir_option no_options[] = { { 0 } };
const struct store_type point_type = {
    .name = "pointed",
    .summary = "It has points.",
    .self_size = sizeof(struct point_store),
    .config_size = 8,
    .options = no_options,
    .open = point_open,
    .geometry = point_geometry,
    .serve = point_serve,
    .close = point_close,
    .point = point_of,
};

/* ---- BASE ---------------------------------------------------------------------- */

struct datastore *pointed;

/* An export on `d` in the list; its reference is the list's. */
struct export *add_closed_base(const char *name, struct datastore *d, struct plan *plan)
{
    struct export_config config = { .name = strdup(name),
                                    .description = strdup("of a test"),
                                    .image = strdup("disk"),
                                    .datastore = datastore_ref(d) };
    struct plan none = { 0 };
    struct export *e;

    config.allow = calloc(2, sizeof(*config.allow));
    config.allow[0] = strdup("uid:7");
    assert_int_equal(export_create(&config, plan ? plan : &none, &e), 0);
    assert_int_equal(gateway_add(e), 0);
    export_unref(e);
    return e;
}

void add_base(const char *name, struct datastore *d, struct plan *plan)
{
    assert_int_equal(export_open(add_closed_base(name, d, plan), NULL), 0);
}

int pointed_setup(void **state)
{
    const struct datastore_setup told = { .name = "told", .type = &point_type };

    stage_setup(state);
    atomic_store(&opened, 0);
    atomic_store(&most_of_one, 0);
    atomic_store(&slow, false);
    atomic_store(&open_error, 0);
    sem_init(&opening, 0, 0);
    sem_init(&open_on, 0, 0);
    dynamic_changes(NULL);
    assert_int_equal(datastore_create(&told, &pointed), 0);
    add_base("vm1", pointed, NULL);
    return 0;
}

int pointed_teardown(void **state)
{
    dynamic_stop();
    gateway_remove("vm1");
    datastore_unref(pointed);
    sem_destroy(&opening);
    sem_destroy(&open_on);
    assert_int_equal(atomic_load(&open_now), 0);
    return stage_teardown(state);
}

/* What the plugin does for a client. */
int come(const char *name, struct export **ret, struct weir_text *why)
{
    struct export *base = dynamic_base(name);

    if (!base)
        return -ENOENT;
    int r = dynamic_open(base, name, ret, why);
    export_unref(base);
    if (!r)
        export_connected(*ret);
    return r;
}

void go(struct export *e)
{
    export_disconnected(e);
    dynamic_leave(e);
}

struct export *must_come(const char *name)
{
    struct weir_text why = { 0 };
    struct export *e = NULL;

    if (come(name, &e, &why))
        fail_msg("%s: %s", name, text_string(&why));
    text_finish(&why);
    return e;
}

void refused(const char *name, int error, const char *sentence)
{
    struct weir_text why = { 0 };
    struct export *e = NULL;

    assert_int_equal(come(name, &e, &why), error);
    assert_string_equal(text_string(&why), sentence);
    text_finish(&why);
}

bool is_listed(const char *name)
{
    struct export *e = gateway_find(name);

    export_unref(e);
    return e != NULL;
}

void reads(struct export *e, const char *text)
{
    char bytes[64] = "";
    struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };

    assert_int_equal(export_serve(e, &req), 0);
    assert_string_equal(bytes, text);
}

/* A plan of probes; its labels are those of its filters. */
struct plan plan_of(int count)
{
    struct plan plan = { 0 };

    for (int i = 0; i < count; i++) {
        struct plan_filter *f = &plan.filter[plan.count++];
        struct weir_filter *filter = &probes[i].library.filter;
        char slot[12];
        f->library = loader_ref(&probes[i].library);
        f->label = strdup(filter->name);
        assert_int_equal(settings_create(filter->options, filter->config_size, &f->settings, NULL),
                         0);
        snprintf(slot, sizeof(slot), "%d", i);
        assert_int_equal(settings_set(f->settings, "slot", slot, NULL), 0);
    }
    return plan;
}
