/* stage.c - what do probe filters and the array that is their disk do?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "events.h"
#include "gateway.h"
#include "request.h"
#include "scope.h"
#include "text.h"

#include <ftw.h>
#include <time.h>

struct probe probes[PROBES];
int (*store_answer)(struct weir_request *);
uint8_t store_disk[DISK];
int store_event_error;
static uint64_t store_size;
struct seen seen[SEEN_MAX];
struct extent_seen extent[EXTENTS_MAX];
size_t extent_count;
struct export *stage;
uint64_t stage_hold_limit;
enum on_failure stage_on_failure;
bool stage_plaintext_filters;
char stage_why[512];

/* guards seen[] and how many there are; a leaf */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned seen_count;
static uint64_t events_before;
static char folder[] = "/tmp/weir-stage.XXXXXX"; /* state of the filters, for the process */

/* ---- who was told what ------------------------------------------------------ */

static void write_down(int who, char side, const struct weir_request *req)
{
    pthread_mutex_lock(&seen_lock);
    if (seen_count < SEEN_MAX)
        seen[seen_count++] = (struct seen){ who, side, *req };
    pthread_mutex_unlock(&seen_lock);
}

void forget(void)
{
    pthread_mutex_lock(&seen_lock);
    seen_count = 0;
    pthread_mutex_unlock(&seen_lock);
}

const char *error_name(int error)
{
    const char *name = error == EOPNOTSUPP ? "ENOTSUP" : strerrorname_np(error);

    return error ? name : "";
}

const char *told(void)
{
    static char text[SEEN_MAX * 24]; /* for one reader: the test's own thread */
    size_t at = 0;

    text[0] = '\0';
    pthread_mutex_lock(&seen_lock);
    for (unsigned i = 0; i < seen_count; i++) {
        const struct seen *s = &seen[i];
        char who = s->who == STORE ? 's' : (char)('0' + s->who);
        const char *error = s->side == '<' ? error_name(s->req.error) : "";

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%c%c%s%s", i ? " " : "", who,
                               s->side, "rwftzpe"[s->req.op], *error ? "!" : "", error);
    }
    pthread_mutex_unlock(&seen_lock);
    return text;
}

const struct seen *saw(int who, char side, unsigned n)
{
    const struct seen *found = NULL;

    pthread_mutex_lock(&seen_lock);
    for (unsigned i = 0; i < seen_count && !found; i++)
        if (seen[i].who == who && seen[i].side == side && n-- == 0)
            found = &seen[i];
    pthread_mutex_unlock(&seen_lock);
    return found;
}

/* ---- the probe filter ---------------------------------------------------------- */

struct probe_config {
    int64_t slot, level;
};

static const struct weir_option probe_options[] = {
    WEIR_OPTION_INT(struct probe_config, slot, .fallback = "0", .min = 0, .max = PROBES - 1,
                    .help = "Which probe this is."),
    WEIR_OPTION_INT(struct probe_config, level, .flags = WEIR_LIVE, .fallback = "0", .min = 0,
                    .max = 1000000, .help = "A number that may change."),
    { 0 },
};

static enum weir_verdict probe_down(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    write_down(p->index, '>', req);
    return p->down ? p->down(p, req) : WEIR_PASS;
}

static enum weir_verdict probe_up(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    write_down(p->index, '<', req);
    return p->up ? p->up(p, req) : WEIR_PASS;
}

static void probe_abort(void *self, struct weir_request *req)
{
    struct probe *p = *(struct probe **)self;

    if (p->abort)
        p->abort(p, req);
}

static int probe_attach(void *self, struct weir_below *below, const void *settings,
                        struct weir_text *why)
{
    const struct probe_config *config = settings;
    struct probe *p = &probes[config->slot];

    *(struct probe **)self = p;
    p->below = below;
    return p->attach ? p->attach(p, why) : 0;
}

static int probe_geometry(void *self, struct weir_geometry *geometry, struct weir_text *why)
{
    struct probe *p = *(struct probe **)self;
    return p->geometry ? p->geometry(p, geometry, why) : 0;
}

static void probe_apply(void *self, const void *settings)
{
    (void)self;
    (void)settings;
}

static void probe_drain(void *self, bool begin)
{
    struct probe *p = *(struct probe **)self;

    if (p->drain)
        p->drain(p, begin);
}

static int probe_event(void *self, const struct weir_event *event, struct weir_text *why)
{
    struct probe *p = *(struct probe **)self;
    return p->event ? p->event(p, event, why) : 0;
}

static void probe_detach(void *self)
{
    struct probe *p = *(struct probe **)self;

    *(struct probe **)self = NULL; /* whoever calls it now falls over */
    if (p->detach)
        p->detach(p);
}

static int64_t probe_index(void *self)
{
    struct probe *p = *(struct probe **)self;

    usleep(10); /* time for a detach to come in between */
    return p->index;
}

static const struct weir_stat probe_stats[] = {
    WEIR_STAT_VALUE(index, probe_index, "probes", "Which probe this is."),
    { 0 },
};

static void probe_init(struct probe *p, int index)
{
    static const char *const names[PROBES] = { "probe0", "probe1", "probe2", "probe3", "probe4" };

    *p = (struct probe){ .index = index };
    sem_init(&p->sem, 0, 0);
    p->library = (struct library){
        .path = "(stage)",
        .users = 1u << 20, /* more than a test gives back: the loader never closes it */
        .filter = { WEIR_FILTER_HEADER,
                    .name = names[index],
                    .version = "1",
                    .summary = "Says what it sees.",
                    .klass = WEIR_CLASS_NONE,
                    .ops = WEIR_ALL_OPS,
                    .self_size = sizeof(struct probe *),
                    .request_size = 64,
                    .config_size = sizeof(struct probe_config),
                    .options = probe_options,
                    .attach = probe_attach,
                    .geometry = probe_geometry,
                    .apply = probe_apply,
                    .stats = probe_stats,
                    .drain = probe_drain,
                    .event = probe_event,
                    .detach = probe_detach,
                    .down = probe_down,
                    .up = probe_up,
                    .abort = probe_abort },
    };
}

/* ---- the store --------------------------------------------------------------------- */

int store_like_a_disk(struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
        memcpy(req->data, store_disk + req->offset, req->length);
        return 0;
    case WEIR_WRITE:
        memcpy(store_disk + req->offset, req->data, req->length);
        return 0;
    case WEIR_TRIM:
    case WEIR_ZERO:
        memset(store_disk + req->offset, 0, req->length);
        return 0;
    case WEIR_EXTENTS:
        return weir_add_extent(req->data, req->offset, req->length, 0);
    default:
        return 0;
    }
}

static int store_serve(void *self, struct weir_request *req)
{
    (void)self;
    write_down(STORE, '=', req);
    return store_answer ? store_answer(req) : store_like_a_disk(req);
}

static int store_open(void *self, const struct store_image *image, const void *config,
                      struct weir_text *why)
{
    (void)self;
    (void)image;
    (void)config;
    (void)why;
    return 0;
}

static void store_geometry(void *self, struct weir_geometry *geometry)
{
    (void)self;
    *geometry = (struct weir_geometry){ .size = store_size,
                                        .block_min = 1,
                                        .block_preferred = 4096,
                                        .block_max = 32 << 20,
                                        .ops = WEIR_ALL_OPS,
                                        .fast_zero = true };
}

static int store_grow(void *self, uint64_t size, struct weir_text *why)
{
    (void)self;
    (void)why;
    if (!store_event_error)
        store_size = size; /* the array does not grow: no test writes there */
    return store_event_error;
}

static int store_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self;
    (void)name;
    (void)why;
    return store_event_error;
}

static void store_close(void *self)
{
    (void)self;
}

static const struct weir_option store_options[] = { { 0 } };
static const struct store_type store_type = {
    .name = "stage",
    .summary = "An array.",
    .self_size = 8,
    .config_size = 8,
    .options = store_options,
    .open = store_open,
    .geometry = store_geometry,
    .serve = store_serve,
    .grow = store_grow,
    .snapshot = store_snapshot,
    .close = store_close,
};

/* ---- the export ---------------------------------------------------------------------- */

static void plan_add(struct plan *plan, int which)
{
    struct plan_filter *f = &plan->filter[plan->count++];
    struct weir_filter *filter = &probes[which].library.filter;
    char slot[12];

    f->library = loader_ref(&probes[which].library);
    f->label = strdup(filter->name);
    assert_int_equal(settings_create(filter->options, filter->config_size, &f->settings, NULL), 0);
    snprintf(slot, sizeof(slot), "%d", which);
    assert_int_equal(settings_set(f->settings, "slot", slot, NULL), 0);
}

static void plan_add_built(struct plan *plan, const char *text)
{
    struct plan_filter *f = &plan->filter[plan->count];
    cleanup_text struct weir_text why = { 0 };
    cleanup_free char *copy = strdup(text), *path = NULL;
    char *rest = NULL, *name = strtok_r(copy, " ", &rest), *word;

    assert_true(asprintf(&path, "%s/filters", getenv("WEIR_BUILD")) > 0);
    assert_int_equal(loader_path(path), 0);
    if (loader_get(name, &f->library, &why) != 0)
        fail_msg("%s", text_string(&why));
    const struct weir_filter *filter = &f->library->filter;
    assert_true(asprintf(&f->label, "%s%zu", name, plan->count++) > 0);
    assert_int_equal(settings_create(filter->options, filter->config_size, &f->settings, NULL), 0);
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (settings_set(f->settings, word, value, &why) != 0)
            fail_msg("%s", text_string(&why));
    }
}

static void plan_start(struct plan *plan)
{
    *plan = (struct plan){ .plaintext_filters = stage_plaintext_filters,
                           .hold_limit = stage_hold_limit,
                           .on_filter_failure = stage_on_failure };
}

static void keep_why(struct weir_text *why)
{
    snprintf(stage_why, sizeof(stage_why), "%s", text_string(why));
}

static int open_with(struct plan *plan)
{
    cleanup_text struct weir_text why = { 0 };
    struct export_config config = {
        .name = strdup("stage"),
        .description = strdup(""),
        .store_type = &store_type,
        .datastore = strdup("stage"),
        .image = strdup(""),
        .folder = strdup("/"),
    };

    assert_int_equal(settings_create(store_options, 8, &config.store_settings, NULL), 0);
    assert_int_equal(export_create(&config, plan, &stage), 0);
    int r = export_open(stage, &why);
    keep_why(&why);
    forget();
    return r;
}

int stage_open(unsigned count)
{
    struct plan plan;

    plan_start(&plan);
    for (unsigned i = 0; i < count; i++)
        plan_add(&plan, (int)i);
    return open_with(&plan);
}

int stage_open_filters(const char *const *filters)
{
    struct plan plan;

    plan_start(&plan);
    for (; *filters; filters++)
        plan_add_built(&plan, *filters);
    return open_with(&plan);
}

int stage_apply(const int *which)
{
    struct plan plan;
    cleanup_text struct weir_text why = { 0 };

    plan_start(&plan);
    for (; *which >= 0; which++)
        plan_add(&plan, *which);
    int r = export_apply(stage, &plan, &why);
    keep_why(&why);
    return r;
}

void stage_close(void)
{
    if (stage) {
        export_close(stage);
        export_unref(stage);
    }
    stage = NULL;
}

enum export_state stage_state(void)
{
    struct export_view view;

    assert_int_equal(export_view(stage, &view), 0);
    enum export_state state = view.state;
    export_view_finish(&view);
    return state;
}

static _Atomic unsigned broken; /* must()s of this test that were false */

void stage_must(bool holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    atomic_fetch_add(&broken, 1);
    print_error("%s:%d: inside a probe: %s is false\n", file, line, condition);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void quiet(enum weir_severity severity, const char *line)
{
    (void)severity;
    (void)line;
}

int stage_setup(void **state)
{
    static bool prepared; /* once a process */

    if (!prepared) {
        prepared = true;
        assert_non_null(mkdtemp(folder));
        atexit(remove_folder);
        assert_int_equal(places_init("stage", folder, folder, folder), 0);
        if (!getenv("WEIR_TEST_LOG"))
            events_log_to(quiet);
    }
    (void)state;
    for (int i = 0; i < PROBES; i++)
        probe_init(&probes[i], i);
    store_answer = NULL;
    store_event_error = 0;
    store_size = DISK;
    memset(store_disk, 0, sizeof(store_disk));
    stage_hold_limit = 0;
    stage_on_failure = ON_FAILURE_LOCK;
    stage_plaintext_filters = false;
    forget();
    cleanup_text struct weir_text lines = { 0 };
    assert_int_equal(events_read(0, 0, &lines, &events_before), 0);
    return 0;
}

int stage_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < PROBES; i++) { /* the last flush of the close goes through them */
        probes[i].down = probes[i].up = NULL;
        probes[i].event = NULL;
    }
    store_answer = NULL;
    stage_close();
    for (int i = 0; i < PROBES; i++)
        sem_destroy(&probes[i].sem);
    return atomic_exchange(&broken, 0) ? -1 : 0;
}

bool event_says(const char *word, const char *other)
{
    cleanup_text struct weir_text lines = { 0 };
    uint64_t last;
    char *rest = NULL;

    assert_int_equal(events_read(events_before, 0, &lines, &last), 0);
    cleanup_free char *copy = strdup(text_string(&lines));
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, word) && strstr(line, other))
            return true;
    return false;
}

/* ---- clients --------------------------------------------------------------------------- */

int ask(enum weir_op op, uint64_t offset, uint64_t length, uint32_t flags, void *data)
{
    struct weir_request req = {
        .op = op, .flags = flags, .offset = offset, .length = length, .data = data
    };
    return export_serve(stage, &req);
}

int ask_extents(uint64_t offset, uint64_t length, uint32_t flags)
{
    struct weir_extents *extents = extents_create();

    assert_non_null(extents);
    int error = ask(WEIR_EXTENTS, offset, length, flags, extents);
    extent_count = 0;
    while (extent_count < EXTENTS_MAX &&
           weir_get_extent(extents, extent_count, &extent[extent_count].offset,
                           &extent[extent_count].length, &extent[extent_count].type) == 0)
        extent_count++;
    extents_destroy(extents);
    return error;
}

static void *client_run(void *argument)
{
    struct client *c = argument;

    c->error = ask(c->op, c->offset, c->length, c->flags, c->data);
    atomic_store(&c->done, true);
    return NULL;
}

void client_start(struct client *c, enum weir_op op, uint64_t offset, uint64_t length, void *data)
{
    *c = (struct client){ .op = op, .offset = offset, .length = length, .data = data };
    assert_int_equal(pthread_create(&c->thread, NULL, client_run, c), 0);
}

int client_wait(struct client *c)
{
    wait_for(atomic_load(&c->done));
    pthread_join(c->thread, NULL);
    return c->error;
}

void take(sem_t *sem)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    while (sem_timedwait(sem, &end) < 0)
        assert_int_equal(errno, EINTR);
}

uint64_t stage_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t seed_of_test(void)
{
    const char *given = getenv("WEIR_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : stage_now();

    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
