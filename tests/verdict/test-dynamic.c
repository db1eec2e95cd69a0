/* test-dynamic.c - do exports that clients ask for come, get shared and go as they should?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "pointed.h"

#include "dynamic.h"
#include "gateway.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        POINTED_TEST(test_a_point_comes_with_its_client_and_goes_with_the_last),
        POINTED_TEST(test_what_is_written_stays_until_it_is_closed),
        POINTED_TEST(test_other_names_are_none),
        POINTED_TEST(test_what_is_no_point_leaves_nothing),
        POINTED_TEST(test_there_is_an_end_to_them),
        POINTED_TEST(test_two_who_ask_at_once_share_one),
        POINTED_TEST(test_two_who_ask_in_vain_are_told_the_same),
        POINTED_TEST(test_the_stop_waits_for_who_is_just_coming),
        POINTED_TEST(test_points_outlive_what_else_is_said_of_the_disk),
        POINTED_TEST(test_filters_that_transform_come_along),
        POINTED_TEST(test_many_come_and_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
