/* stage.c - how is an export put on the stage, and what is cleared away after a test?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "events.h"
#include "gateway.h"
#include "scope.h"

#include <ftw.h>

struct export *stage;
uint64_t stage_hold_limit;
enum on_failure stage_on_failure;
bool stage_plaintext_filters;
char stage_why[512];

static uint64_t events_before;
static char folder[] = "/tmp/weir-stage.XXXXXX"; /* state of the filters, for the process */

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

static int open_as(const char *name, struct plan *plan, struct export **ret)
{
    cleanup_text struct weir_text why = { 0 };
    struct export_config config = {
        .name = strdup(name),
        .description = strdup(""),
        .image = strdup(""),
    };
    const struct datastore_setup store = { .name = "stage", .type = &array_store };

    assert_int_equal(datastore_create(&store, &config.datastore), 0);
    assert_int_equal(export_create(&config, plan, ret), 0);
    int r = export_open(*ret, &why);
    keep_why(&why);
    forget();
    return r;
}

static int open_with(struct plan *plan)
{
    return open_as("stage", plan, &stage);
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

void stage_plan(struct plan *plan, const int *which)
{
    plan_start(plan);
    for (; *which >= 0; which++)
        plan_add(plan, *which);
}

int stage_open_other(const int *which, struct export **ret)
{
    struct plan plan;

    stage_plan(&plan, which);
    return open_as("other", &plan, ret);
}

int stage_apply(const int *which)
{
    struct plan plan;
    cleanup_text struct weir_text why = { 0 };

    stage_plan(&plan, which);
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

const struct figures *figures_of(const char *where, enum weir_op op)
{
    static struct figures figures;
    enum export_place place = strcmp(where, "export") == 0  ? PLACE_EXPORT
                              : strcmp(where, "store") == 0 ? PLACE_STORE
                                                            : PLACE_FILTER;

    assert_int_equal(export_figures(stage, place, where, op, &figures), 0);
    return &figures;
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
    array_reset();
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
