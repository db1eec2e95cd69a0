/* test-dynamic.c - do exports that clients ask for come, get shared and go as they should?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "dynamic.h"
#include "gateway.h"

#include <sched.h>
#include <sys/stat.h>

/* ---- a store with points ------------------------------------------------------ */

struct point_store {
    char image[64];
    bool read_only;
};

static atomic_uint opened, open_now, opens_of_one, most_of_one; /* of points, not of BASE */
static sem_t opening, open_on; /* an open has begun; it may go on */
static atomic_bool slow;
static atomic_int open_error;

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
static const struct store_type point_type = {
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

static struct datastore *pointed;

/* An export on `d` in the list; its reference is the list's. */
static struct export *add_closed_base(const char *name, struct datastore *d, struct plan *plan)
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

static void add_base(const char *name, struct datastore *d, struct plan *plan)
{
    assert_int_equal(export_open(add_closed_base(name, d, plan), NULL), 0);
}

static int setup(void **state)
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

static int teardown(void **state)
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
static int come(const char *name, struct export **ret, struct weir_text *why)
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

static void go(struct export *e)
{
    export_disconnected(e);
    dynamic_leave(e);
}

static struct export *must_come(const char *name)
{
    struct weir_text why = { 0 };
    struct export *e = NULL;

    if (come(name, &e, &why))
        fail_msg("%s: %s", name, text_string(&why));
    text_finish(&why);
    return e;
}

static void refused(const char *name, int error, const char *sentence)
{
    struct weir_text why = { 0 };
    struct export *e = NULL;

    assert_int_equal(come(name, &e, &why), error);
    assert_string_equal(text_string(&why), sentence);
    text_finish(&why);
}

static bool is_listed(const char *name)
{
    struct export *e = gateway_find(name);

    export_unref(e);
    return e != NULL;
}

static void reads(struct export *e, const char *text)
{
    char bytes[64] = "";
    struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };

    assert_int_equal(export_serve(e, &req), 0);
    assert_string_equal(bytes, text);
}

/* ---- names --------------------------------------------------------------------- */

static void test_a_point_comes_with_its_client_and_goes_with_the_last(void **state)
{
    (void)state;
    struct export *a = must_come("vm1@one");
    const struct export_config *c = export_config(a);
    assert_string_equal(c->name, "vm1@one");
    assert_string_equal(c->image, "disk@one");
    assert_string_equal(c->description, "vm1 at one");
    assert_string_equal(c->allow[0], "uid:7");
    assert_ptr_equal(c->datastore, pointed);
    assert_true(c->read_only);
    assert_true(is_listed("vm1@one"));
    reads(a, "disk@one");
    struct weir_request req = { .op = WEIR_ZERO, .length = 1 };
    assert_int_equal(export_serve(a, &req), EPERM);

    struct export *b = must_come("vm1@one");
    assert_ptr_equal(a, b);
    assert_int_equal(atomic_load(&opened), 1);
    assert_int_equal(dynamic_clients("vm1", true), 2);
    assert_int_equal(dynamic_clients("vm1", false), 0); /* none reads through it */
    assert_int_equal(dynamic_clients("vm2", true), 0);
    go(a);
    assert_true(is_listed("vm1@one"));
    reads(b, "disk@one");
    go(b);
    assert_false(is_listed("vm1@one"));
    assert_int_equal(atomic_load(&open_now), 0);
    go(must_come("vm1@one"));
    assert_int_equal(atomic_load(&opened), 2);
}

static void test_what_is_written_stays_until_it_is_closed(void **state)
{
    (void)state;
    struct export *a = must_come("vm1@one+test");
    assert_false(export_config(a)->read_only);
    struct weir_request req = { .op = WEIR_ZERO, .length = 1 };
    assert_int_equal(export_serve(a, &req), 0);
    struct export *kept = export_ref(a);
    go(a);
    assert_true(is_listed("vm1@one+test")); /* the guest reboots */
    a = must_come("vm1@one+test");
    assert_ptr_equal(a, kept);
    assert_int_equal(atomic_load(&opened), 1);
    assert_int_equal(dynamic_close(a), 0); /* under its client */
    assert_false(is_listed("vm1@one+test"));
    assert_int_equal(export_serve(a, &req), ESHUTDOWN);
    assert_int_equal(dynamic_close(a), -ENOENT);
    struct export *b = must_come("vm1@one+test");
    assert_ptr_not_equal(a, b);
    go(a); /* not the new one's client */
    assert_int_equal(dynamic_clients("vm1", true), 1);
    go(b);
    export_unref(kept);
    assert_true(is_listed("vm1@one+test"));
}

static void test_other_names_are_none(void **state)
{
    const struct datastore_setup plain = { .name = "plain", .type = &array_store };
    struct datastore *d;

    (void)state;
    assert_int_equal(datastore_create(&plain, &d), 0);
    add_base("vm2", d, NULL);
    add_base("vm1@x", d, NULL); /* an administrator may call it so */
    refused("vm1", -ENOENT, "");
    refused("vm1@", -ENOENT, "");
    refused("@one", -ENOENT, "");
    refused("vm3@one", -ENOENT, "");
    refused("vm2@one", -ENOENT, ""); /* no points */
    refused("vm2@changes:1", -ENOENT, "");
    struct export *e = must_come("vm1@one");
    struct export *base = dynamic_base("vm1@one@two"); /* not of vm1@one */
    assert_string_equal(export_name(base), "vm1");
    export_unref(base);
    go(e);
    e = must_come("vm1@x@two"); /* vm1@x has none: of vm1 */
    assert_string_equal(export_config(e)->image, "disk@x@two");
    go(e);
    gateway_remove("vm2");
    gateway_remove("vm1@x");
    datastore_unref(d);
}

static void test_what_is_no_point_leaves_nothing(void **state)
{
    (void)state;
    refused("vm1@?", -EINVAL, "\"?\" is no point");
    atomic_store(&open_error, -ENOENT);
    refused("vm1@never", -ENOENT, "there is no point \"never\"");
    assert_false(is_listed("vm1@never"));
    /* the client was told: nobody else needs to be */
    assert_false(event_says("vm1@never", "locked"));
    atomic_store(&open_error, 0);
    go(must_come("vm1@never"));
}

static void test_there_is_an_end_to_them(void **state)
{
    struct export *e[DYNAMIC_MAX];
    char name[32];

    (void)state;
    for (int i = 0; i < DYNAMIC_MAX; i++) {
        snprintf(name, sizeof(name), "vm1@%d", i);
        e[i] = must_come(name);
    }
    refused("vm1@more", -EMFILE,
            "64 points of disks are open, which is the most at once: close one of those that "
            "weirctl export list shows (weirctl export close NAME)");
    go(must_come("vm1@7")); /* one that is there */
    go(e[7]);
    go(must_come("vm1@more"));
    for (int i = 0; i < DYNAMIC_MAX; i++)
        if (i != 7)
            go(e[i]);
}

/* ---- who waits for whom ---------------------------------------------------------- */

struct comer {
    pthread_t thread;
    const char *name;
    struct export *export;
    int error;
    char why[128];
    atomic_bool done;
};

static void *come_on_thread(void *arg)
{
    struct comer *c = arg;
    struct weir_text why = { 0 };

    c->error = come(c->name, &c->export, &why);
    snprintf(c->why, sizeof(c->why), "%s", text_string(&why));
    text_finish(&why);
    atomic_store(&c->done, true);
    return NULL;
}

static void start(struct comer *c, const char *name)
{
    *c = (struct comer){ .name = name };
    assert_int_equal(pthread_create(&c->thread, NULL, come_on_thread, c), 0);
}

static void test_two_who_ask_at_once_share_one(void **state)
{
    struct comer first, second;

    (void)state;
    atomic_store(&slow, true);
    start(&first, "vm1@one");
    take(&opening);
    atomic_store(&slow, false);
    start(&second, "vm1@one");
    go(must_come("vm1@two")); /* who wants another does not wait */
    assert_false(atomic_load(&second.done));
    assert_false(is_listed("vm1@one"));
    sem_post(&open_on);
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_int_equal(first.error | second.error, 0);
    assert_ptr_equal(first.export, second.export);
    assert_int_equal(atomic_load(&opened), 2);
    go(first.export);
    reads(second.export, "disk@one");
    go(second.export);
}

static void test_two_who_ask_in_vain_are_told_the_same(void **state)
{
    struct comer first, second;

    (void)state;
    atomic_store(&slow, true);
    start(&first, "vm1@one");
    take(&opening);
    start(&second, "vm1@one");
    /* it has nothing to say for itself while it waits; should it come too late it opens anew */
    usleep(20000);
    atomic_store(&open_error, -ENOENT);
    atomic_store(&slow, false);
    sem_post(&open_on);
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_int_equal(first.error, -ENOENT);
    assert_int_equal(second.error, -ENOENT);
    assert_string_equal(first.why, "there is no point \"one\"");
    assert_string_equal(second.why, first.why);
}

static void *stop_all(void *done)
{
    dynamic_stop();
    atomic_store((atomic_bool *)done, true);
    return NULL;
}

static void test_the_stop_waits_for_who_is_just_coming(void **state)
{
    atomic_bool stopped = false;
    struct comer late;
    pthread_t thread;

    (void)state;
    struct export *left = must_come("vm1@one+scratch");
    go(left);
    atomic_store(&slow, true);
    start(&late, "vm1@two");
    take(&opening);
    assert_int_equal(pthread_create(&thread, NULL, stop_all, &stopped), 0);
    wait_for(!is_listed("vm1@one+scratch"));
    assert_false(atomic_load(&stopped));
    sem_post(&open_on);
    pthread_join(late.thread, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&open_now), 0);
    if (!late.error)
        go(late.export);
    atomic_store(&slow, false);
    refused("vm1@three", -ESHUTDOWN, "the gateway stops");
}

/* ---- BASE changes ---------------------------------------------------------------- */

static void test_points_outlive_what_else_is_said_of_the_disk(void **state)
{
    const struct datastore_setup other = { .name = "told", .type = &point_type };
    struct datastore *elsewhere;

    (void)state;
    struct export *e = must_come("vm1@one");
    gateway_remove("vm1");
    add_base("vm1", pointed, NULL); /* with another description, say */
    dynamic_sweep();
    assert_true(is_listed("vm1@one"));
    reads(e, "disk@one");

    assert_int_equal(datastore_create(&other, &elsewhere), 0);
    gateway_remove("vm1");
    add_base("vm1", elsewhere, NULL);
    dynamic_sweep();
    assert_false(is_listed("vm1@one"));
    go(e);

    e = must_come("vm1@one+scratch");
    go(e);
    gateway_remove("vm1");
    dynamic_sweep();
    assert_false(is_listed("vm1@one+scratch"));
    assert_int_equal(atomic_load(&open_now), 0);
    datastore_unref(elsewhere);
}

/* ---- filters ----------------------------------------------------------------------- */

/* A plan of probes; its labels are those of its filters. */
static struct plan plan_of(int count)
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

static char known[64]; /* what probe 1 finds in its state folder */
static bool judged;    /* it may not do its work then */

static int look_into_state(struct probe *p, struct weir_text *why)
{
    void *data = NULL;
    size_t size = 0;

    int r = weir_state_load(p->below, "locked", &data, &size);
    snprintf(known, sizeof(known), "%s: %.*s", weir_export_name(p->below), (int)size,
             data ? (char *)data : "");
    free(data);
    if (!r && judged) {
        weir_print(why, "locked by hand");
        return -EACCES;
    }
    return weir_state_save(p->below, "mine", "x", 1);
}

static bool exists(const char *path)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "%s/%s", places()->state, path);
    return access(whole, F_OK) == 0;
}

/* Those that transform stand in front of a point as well, and know what BASE's know. */
static void test_filters_that_transform_come_along(void **state)
{
    struct export_view v;

    (void)state;
    probes[1].library.filter.flags |= WEIR_TRANSFORMS;
    probes[1].attach = look_into_state;
    struct plan plan = plan_of(3);
    add_base("vm9", pointed, &plan);
    assert_string_equal(known, "vm9: ");
    assert_int_equal(weir_state_save(probes[1].below, "locked", "by hand", 7), 0);
    struct weir_below *of_base = probes[1].below;

    struct export *e = must_come("vm9@one");
    assert_string_equal(known, "vm9: by hand"); /* by the name of its disk */
    assert_int_equal(export_view(e, &v), 0);
    assert_int_equal(v.count, 1);
    assert_string_equal(v.filter[0].label, "probe1");
    export_view_finish(&v);
    assert_true(exists("points/vm9@one/probe1/mine"));
    assert_true(exists("points/vm9@one/transformed"));
    go(e);
    assert_false(exists("points/vm9@one"));
    assert_true(exists("exports/vm9/probe1/mine"));
    judged = true;
    refused("vm9@locked", -EACCES, "locked by hand");
    judged = false;
    assert_false(exists("points/vm9@locked"));

    probes[1].below = of_base;
    gateway_remove("vm9");
    /* served once by a filter that its policy does not have any more */
    add_closed_base("vm9", pointed, NULL); /* nor can it be opened itself */
    struct weir_text why = { 0 };
    assert_int_equal(come("vm9@one", &e, &why), -EPERM);
    assert_non_null(strstr(text_string(&why), "what this disk holds was stored by the filter "
                                              "probe1"));
    text_finish(&why);
    gateway_remove("vm9");
}

/* ---- a store that serves from BASE --------------------------------------------------- */

struct through_store {
    struct export *base;
    atomic_uint inside;
};

static atomic_uint closed_under_request;

static int through_open(void *self, const struct store_image *image, const void *config,
                        struct weir_text *why)
{
    (void)config;
    (void)why;
    must(strcmp(image->image, "7") == 0);
    must(image->read_only);
    ((struct through_store *)self)->base = image->base;
    return 0;
}

static void through_close(void *self)
{
    if (atomic_load(&((struct through_store *)self)->inside))
        atomic_fetch_add(&closed_under_request, 1);
}

static void through_geometry(void *self, struct weir_geometry *geometry)
{
    export_geometry(((struct through_store *)self)->base, geometry);
}

/* Twice, for a request may need several of BASE's. */
static int through_serve(void *self, struct weir_request *req)
{
    struct through_store *t = self;
    struct weir_request io = { .op = req->op, .length = req->length, .data = req->data };

    if (req->op != WEIR_READ)
        return 0;
    atomic_fetch_add(&t->inside, 1);
    int r = export_serve(t->base, &io);
    if (!r)
        r = export_serve(t->base, &io);
    sched_yield();
    atomic_fetch_sub(&t->inside, 1);
    return -r;
}

static const struct store_type through_type = {
    .name = "through",
    .summary = "It reads another export.",
    .self_size = sizeof(struct through_store),
    .options = no_options,
    .open = through_open,
    .geometry = through_geometry,
    .serve = through_serve,
    .close = through_close,
};

static void add_replicated(void)
{
    probes[0].library.filter.klass = WEIR_CLASS_REPLICATION;
    struct plan plan = plan_of(1);
    add_base("vm8", pointed, &plan);
    dynamic_changes(&through_type);
}

static void test_changes_are_read_through_the_disk(void **state)
{
    (void)state;
    add_replicated();
    struct export *e = must_come("vm8@changes:7");
    assert_true(export_config(e)->read_only);
    assert_string_equal(export_config(e)->datastore->name, "told");
    assert_int_equal(dynamic_clients("vm8", false), 1);
    forget();
    reads(e, "disk");
    assert_string_equal(told(), "0>r 0<r 0>r 0<r");
    struct export *base = gateway_find("vm8");
    assert_int_equal(export_close(base), 0);
    char bytes[4];
    struct weir_request req = { .op = WEIR_READ, .length = 4, .data = bytes };
    assert_int_equal(export_serve(e, &req), ESHUTDOWN);
    assert_int_equal(export_open(base, NULL), 0);
    reads(e, "disk");
    export_unref(base);
    go(e);
    e = must_come("vm1@changes:7"); /* no such filter: what its store takes for a point */
    assert_string_equal(export_config(e)->image, "disk@changes:7");
    go(e);
    gateway_remove("vm8");
}

static enum weir_verdict wait_in_base(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    sem_post(&opening);
    take(&open_on);
    return WEIR_PASS;
}

static void *read_one(void *e)
{
    char bytes[8] = "";
    struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };

    return (void *)(intptr_t)export_serve(e, &req);
}

static void *close_one(void *e)
{
    must(dynamic_close(e) == 0);
    return NULL;
}

static unsigned waiting_at(struct export *e)
{
    struct export_view v;

    assert_int_equal(export_view(e, &v), 0);
    unsigned waiting = v.waiting;
    export_view_finish(&v);
    return waiting;
}

static void test_a_drain_finds_who_is_in_the_disk_below(void **state)
{
    pthread_t reader, closer, late;
    void *error;

    (void)state;
    add_replicated();
    atomic_store(&closed_under_request, 0);
    struct export *e = must_come("vm8@changes:7");
    probes[0].down = wait_in_base;
    assert_int_equal(pthread_create(&reader, NULL, read_one, e), 0);
    take(&opening);
    assert_int_equal(pthread_create(&closer, NULL, close_one, e), 0);
    while (gateway_find("vm8@changes:7")) /* the closer takes it out first */
        export_unref(e);
    assert_int_equal(pthread_create(&late, NULL, read_one, e), 0);
    wait_for(waiting_at(e) == 1); /* so the gate is closed, and a drain under way */
    usleep(50000);                /* one that finds nobody would be over */
    assert_int_equal(atomic_load(&closed_under_request), 0);
    sem_post(&open_on);
    take(&opening); /* the second of the two */
    usleep(10000);
    sem_post(&open_on);
    pthread_join(reader, &error);
    assert_null(error);
    pthread_join(closer, NULL);
    pthread_join(late, &error);
    assert_int_equal((intptr_t)error, ESHUTDOWN);
    assert_int_equal(atomic_load(&closed_under_request), 0);
    probes[0].down = NULL;
    go(e);
    gateway_remove("vm8");
}

static atomic_bool read_enough;
static atomic_uint read_through;

static void *read_changes(void *unused)
{
    (void)unused;
    while (!atomic_load(&read_enough)) {
        struct export *e;
        if (come("vm8@changes:7", &e, NULL))
            continue;
        for (int i = 0; i < 20; i++) {
            char bytes[8] = "";
            struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };
            int r = export_serve(e, &req);
            must(r == ESHUTDOWN || (r == 0 && strcmp(bytes, "disk") == 0));
            atomic_fetch_add(&read_through, r == 0);
        }
        go(e);
    }
    return NULL;
}

/* Both drains must find who is in the one export by way of the other. */
static void test_the_two_gates_do_not_lose_a_request(void **state)
{
    enum { THREADS = 4, READS = 20000, LEAST = 100 };
    pthread_t thread[THREADS];
    int closed = 0;

    (void)state;
    add_replicated();
    struct export *base = gateway_find("vm8");
    atomic_store(&read_enough, false);
    atomic_store(&read_through, 0);
    atomic_store(&closed_under_request, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_changes, NULL), 0);
    while (atomic_load(&read_through) < READS || closed < LEAST) {
        struct export *e = gateway_find("vm8@changes:7");
        if (e && closed++ % 2)
            dynamic_close(e);
        else if (e)
            export_close(e);
        export_unref(e);
        if (closed % 8 == 0 && export_close(base) == 0)
            assert_int_equal(export_open(base, NULL), 0);
        usleep(200);
    }
    atomic_store(&read_enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&closed_under_request), 0);
    export_unref(base);
    dynamic_stop();
    gateway_remove("vm8");
}

/* ---- all at once ------------------------------------------------------------------- */

static atomic_bool enough;

static void *come_and_go(void *seed)
{
    static const char *const names[] = { "vm1@one", "vm1@one", "vm1@two", "vm1@one+w" };
    uint64_t random = *(uint64_t *)seed;

    while (!atomic_load(&enough)) {
        const char *name = names[next_random(&random) % 4];
        struct export *e;
        if (next_random(&random) % 16 == 0) {
            e = gateway_find(name);
            if (e && export_config(e)->base)
                dynamic_close(e);
            export_unref(e);
            continue;
        }
        int r = come(name, &e, NULL);
        must(r == 0 || r == -EEXIST);
        if (r)
            continue;
        char bytes[16] = "";
        struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };
        r = export_serve(e, &req);
        must(r == ESHUTDOWN || (r == 0 && strcmp(bytes + 4, strchr(name, '@')) == 0));
        go(e);
    }
    return NULL;
}

static void test_many_come_and_go_at_once(void **state)
{
    enum { THREADS = 6, ROUNDS = 400 };
    uint64_t seed = seed_of_test(), seeds[THREADS];
    pthread_t thread[THREADS];

    (void)state;
    atomic_store(&enough, false);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = next_random(&seed);
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &seeds[i]), 0);
    }
    for (unsigned before = 0; before < ROUNDS; before = atomic_load(&opened)) {
        dynamic_sweep();
        dynamic_clients("vm1", true);
        usleep(1000);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&most_of_one), 1);
    dynamic_stop();
    assert_int_equal(atomic_load(&open_now), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_point_comes_with_its_client_and_goes_with_the_last),
        TEST(test_what_is_written_stays_until_it_is_closed),
        TEST(test_other_names_are_none),
        TEST(test_what_is_no_point_leaves_nothing),
        TEST(test_there_is_an_end_to_them),
        TEST(test_two_who_ask_at_once_share_one),
        TEST(test_two_who_ask_in_vain_are_told_the_same),
        TEST(test_the_stop_waits_for_who_is_just_coming),
        TEST(test_points_outlive_what_else_is_said_of_the_disk),
        TEST(test_filters_that_transform_come_along),
        TEST(test_changes_are_read_through_the_disk),
        TEST(test_a_drain_finds_who_is_in_the_disk_below),
        TEST(test_the_two_gates_do_not_lose_a_request),
        TEST(test_many_come_and_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
