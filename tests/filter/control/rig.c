/* rig.c - how are disks with I/O control put above devices that a test stops?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "datastore.h"
#include "scope.h"

enum { THRESHOLD_US = 200 }; /* of the datastores: whatever a test lets go took longer */

/* ---- the filter, with an eye on it -------------------------------------------- */

static struct export *exports[RIG_DISKS];
static struct datastore *datastores[RIG_DEVICES]; /* the core's, not the filter's */

/* Written by attach and detach of the control path, read by the test's own thread. */
static void *_Atomic inside[RIG_DISKS]; /* the filter's self */
static struct library *original[2];     /* as installed, and after an upgrade */
static struct library watched[2];       /* copies of them whose attach() tells us its self */
static char copies[] = "/tmp/weir-rig.XXXXXX";

static int watch_attach(unsigned which, void *self, struct weir_below *below, const void *config,
                        struct weir_text *why)
{
    int r = original[which]->filter.attach(self, below, config, why);

    if (!r)
        atomic_store(&inside[atoi(weir_export_name(below) + strlen("disk"))], self);
    return r;
}

static int attach_installed(void *self, struct weir_below *below, const void *config,
                            struct weir_text *why)
{
    return watch_attach(0, self, below, config, why);
}

static int attach_upgraded(void *self, struct weir_below *below, const void *config,
                           struct weir_text *why)
{
    return watch_attach(1, self, below, config, why);
}

static void watch_detach(unsigned which, void *self)
{
    for (unsigned i = 0; i < RIG_DISKS; i++)
        if (atomic_load(&inside[i]) == self)
            atomic_store(&inside[i], NULL);
    original[which]->filter.detach(self);
}

static void detach_installed(void *self)
{
    watch_detach(0, self);
}

static void detach_upgraded(void *self)
{
    watch_detach(1, self);
}

static atomic_uint dues; /* counted by the requests' threads */

unsigned rig_dues(void)
{
    return atomic_load(&dues);
}

static enum weir_verdict due_installed(void *self, struct weir_request *req)
{
    atomic_fetch_add(&dues, 1);
    return original[0]->filter.due(self, req);
}

/* The same bytes would be the same library: what stands behind an object's end makes another. */
static void copy_library(const char *from, unsigned i)
{
    cleanup_free char *command = NULL;

    assert_true(asprintf(&command,
                         "cp '%s' '%s/new' && echo %u >>'%s/new' && "
                         "mv '%s/new' '%s/weir-filter-control.so'",
                         from, copies, i, copies, copies, copies) > 0);
    assert_int_equal(system(command), 0);
}

static void remove_copies(void)
{
    cleanup_free char *path = NULL;

    if (asprintf(&path, "%s/weir-filter-control.so", copies) > 0)
        unlink(path);
    rmdir(copies);
}

/* Two libraries, as an upgrade leaves them: each has statics of its own. */
static void load(void)
{
    cleanup_free char *built = NULL;
    cleanup_text struct weir_text why = { 0 };

    assert_non_null(mkdtemp(copies));
    atexit(remove_copies);
    assert_true(asprintf(&built, "%s/filters/weir-filter-control.so", getenv("WEIR_BUILD")) > 0);
    assert_int_equal(loader_path(copies), 0);
    for (unsigned i = 0; i < 2; i++) {
        copy_library(built, i);
        if (loader_refresh("control", &original[i], &why) != 0)
            fail_msg("%s", text_string(&why));
        watched[i] = (struct library){
            .filter = original[i]->filter,
            .path = original[i]->path,
            .users = 1u << 20, /* more than a test gives back: the loader never closes it */
        };
    }
    assert_ptr_not_equal(original[0]->filter.attach, original[1]->filter.attach);
    watched[0].filter.attach = attach_installed;
    watched[0].filter.detach = detach_installed;
    watched[0].filter.due = due_installed;
    watched[1].filter.attach = attach_upgraded;
    watched[1].filter.detach = detach_upgraded;
}

/* ---- disks -------------------------------------------------------------------- */

static void plan_control(struct plan *plan, const char *options, bool upgraded)
{
    struct library *library = &watched[upgraded];
    struct plan_filter *f = &plan->filter[plan->count++];
    cleanup_text struct weir_text why = { 0 };
    cleanup_free char *copy = strdup(options);
    char *rest = NULL;

    f->library = loader_ref(library);
    f->label = strdup("control");
    assert_int_equal(
        settings_create(library->filter.options, library->filter.config_size, &f->settings, NULL),
        0);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (settings_set(f->settings, word, value, &why) != 0)
            fail_msg("%s", text_string(&why));
    }
}

static struct plan plan_of(const struct rig_disk *to, bool upgraded)
{
    struct plan plan = { .hold_limit = to->hold_limit };

    if (to->options)
        plan_control(&plan, to->options, upgraded);
    return plan;
}

void rig_open(unsigned disk, const struct rig_disk *as)
{
    cleanup_text struct weir_text why = { 0 };
    struct plan plan = plan_of(as, false);
    struct export_config config = { .description = strdup(""), .read_only = as->read_only };

    assert_true(asprintf(&config.name, "disk%u", disk) > 0);
    assert_true(asprintf(&config.image, "%u %u", disk, as->device) > 0);
    config.datastore = datastore_ref(datastores[as->device]);
    assert_int_equal(export_create(&config, &plan, &exports[disk]), 0);
    if (export_open(exports[disk], &why) != 0)
        fail_msg("%s", text_string(&why));
}

void rig_close(unsigned disk)
{
    assert_int_equal(export_close(exports[disk]), 0);
    export_unref(exports[disk]);
    exports[disk] = NULL;
}

struct export *rig_export(unsigned disk)
{
    return exports[disk];
}

int rig_apply(unsigned disk, const struct rig_disk *to, bool upgrade)
{
    struct plan plan = plan_of(to, upgrade);

    return export_apply(exports[disk], &plan, NULL);
}

void rig_set(unsigned disk, const char *option, const char *value)
{
    cleanup_text struct weir_text why = { 0 };

    if (export_set_option(exports[disk], "control", option, value, &why) != 0)
        fail_msg("%s = %s: %s", option, value, text_string(&why));
}

static void set_up_datastores(void)
{
    struct settings *keys;
    char threshold[16];

    snprintf(threshold, sizeof threshold, "%dus", THRESHOLD_US);
    assert_int_equal(settings_create(datastore_rows, sizeof(struct datastore_keys), &keys, NULL),
                     0);
    assert_int_equal(settings_set(keys, "latency_threshold", threshold, NULL), 0);
    for (unsigned i = 0; i < RIG_DEVICES; i++) {
        const struct datastore_setup setup = { .name = i ? "second" : "first",
                                               .type = &image_store,
                                               .keys = keys };
        device_init(&devices[i]);
        assert_int_equal(datastore_create(&setup, &datastores[i]), 0);
    }
    settings_destroy(keys);
}

int rig_setup(void **state)
{
    int r = stage_setup(state);

    if (!original[0])
        load();
    set_up_datastores();
    return r;
}

int rig_teardown(void **state)
{
    for (unsigned i = 0; i < RIG_DEVICES; i++)
        device_go(i);
    for (unsigned i = 0; i < RIG_DISKS; i++)
        if (exports[i])
            rig_close(i);
    for (unsigned i = 0; i < RIG_DEVICES; i++) {
        datastore_unref(datastores[i]);
        datastores[i] = NULL;
    }
    return stage_teardown(state);
}

/* ---- what control knows ------------------------------------------------------- */

uint64_t rig_stat(unsigned disk, const char *name)
{
    struct weir_histogram *h = NULL;
    uint64_t count = 0;

    if (export_stat_histogram(exports[disk], "control", name, &h) == 0) {
        for (unsigned i = 0; i < WEIR_BUCKETS; i++)
            count += atomic_load(&h->bucket[i].n);
        free(h);
        return count;
    }
    cleanup_text struct weir_text text = { 0 };
    assert_int_equal(export_print_stat(exports[disk], "control", name, &text), 0);
    return strtoull(text_string(&text), NULL, 10);
}

struct look rig_look(unsigned disk)
{
    struct look now;

    assert_non_null(atomic_load(&inside[disk]));
    look(atomic_load(&inside[disk]), &now);
    return now;
}

void rig_add_outside(unsigned disk, long load)
{
    look_add_outside(atomic_load(&inside[disk]), load);
}

unsigned rig_queued(unsigned disk)
{
    return (unsigned)rig_look(disk).queued;
}

/* Ten thousand threads are a while to start on a busy machine. */
void rig_await_queued(unsigned disk, unsigned count)
{
    for (int tries = 0; rig_queued(disk) != count; tries++) {
        if (tries > 20000)
            fail_msg("%u requests are queued, not %u", rig_queued(disk), count);
        usleep(5000);
    }
}

static bool is_zero(const struct look *l)
{
    return !l->queued && !l->running && !l->all_queued && !l->all_running && !l->in_flight &&
           !l->ready && !l->limited && !l->outside && !l->outside_known;
}

void rig_assert_rest(unsigned disk)
{
    struct look l = rig_look(disk);

    for (int tries = 0; !is_zero(&l) && tries < 5000; tries++) {
        usleep(1000); /* what is in flight without the scheduler is counted each tick */
        l = rig_look(disk);
    }
    if (!is_zero(&l))
        fail_msg("disk %u: queued %zu running %zu; all: queued %zu running %zu in flight %zu "
                 "ready %zu limited %zu outside %ld",
                 disk, l.queued, l.running, l.all_queued, l.all_running, l.in_flight, l.ready,
                 l.limited, l.outside);
}

void rig_assert_no_misuse(void)
{
    assert_false(event_says("control", "defect"));
    assert_false(event_says("control", "did not let go"));
}

void rig_settle(unsigned disk, unsigned device)
{
    for (int tries = 0, still = 0; still < 3; tries++) {
        unsigned known = (unsigned)rig_look(disk).all_queued + device_inside(device);
        still = known == crowd_under_way() && !devices[device].let ? still + 1 : 0;
        assert_true(tries < 60000);
        usleep(500);
    }
}

enum { MANY = 200, ENOUGH = 60 };

/* So many wait, and go on doing so: a young window may still grow. */
static bool becomes_full(unsigned disk)
{
    int full = 0;

    for (int tries = 0; full < 20 && tries < 2000; tries++) {
        full = rig_queued(disk) >= ENOUGH ? full + 1 : 0;
        usleep(5000);
    }
    return full == 20;
}

static bool fill(unsigned disk, unsigned device, struct crowd *c)
{
    bool full = becomes_full(disk);

    if (full) {
        device_stop(device, WEIR_OP(WEIR_READ));
        rig_settle(disk, device); /* who was answered has asked again */
        full = rig_queued(disk) >= ENOUGH / 2;
    }
    crowd_calm(c);
    if (full)
        return true;
    device_go(device);
    crowd_end(c);
    return false;
}

struct crowd *rig_fill(unsigned disk, unsigned device)
{
    const struct ask reads = { disk, WEIR_READ, 0, 4096, 0 };
    struct crowd *c;
    int times = 0;

    /* slower than the threshold the more of them there are, so that a smaller window helps */
    atomic_store(&devices[device].pause_us, 5 * THRESHOLD_US);
    do {
        assert_true(times++ < 10); /* a busy machine hides what helps */
        c = crowd_start_again(MANY, &reads);
    } while (!fill(disk, device, c));
    atomic_store(&devices[device].pause_us, 0);
    return c;
}

void rig_choke(unsigned disk)
{
    rig_set(disk, "size_iops", "512");
    rig_set(disk, "max_delay", "1h");
    rig_set(disk, "iops", "1");
    assert_int_equal(rig_ask(&(struct ask){ disk, WEIR_READ, 0, MIB, 0 }), 0);
}
