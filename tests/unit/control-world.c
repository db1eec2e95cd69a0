/* control-world.c - on what do the tests of the control socket stand?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-world.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/answer.h"
#include "events.h"
#include "gateway.h"
#include "text.h"

char world_run[128];
char world_asked[4096];
static char world_threshold[64] = "auto";
bool world_at_end = true;
int world_answers;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the world cannot be made: %s\n", what);
    abort();
}

/* ---- a store in memory ------------------------------------------------------- */

enum { DISK_SIZE = 1 << 20 };

struct disk {
    char *bytes;
    uint64_t size;
};

static int disk_open(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    struct disk *disk = self;

    (void)image;
    (void)config;
    (void)why;
    disk->size = DISK_SIZE;
    disk->bytes = calloc(1, DISK_SIZE);
    return disk->bytes ? 0 : -ENOMEM;
}

static void disk_geometry(void *self, struct weir_geometry *geometry)
{
    *geometry = (struct weir_geometry){ .size = ((struct disk *)self)->size,
                                        .block_min = 1,
                                        .block_preferred = 4096,
                                        .block_max = 1 << 20,
                                        .ops = WEIR_ALL_OPS };
}

static int disk_serve(void *self, struct weir_request *req)
{
    struct disk *disk = self;

    if (req->op == WEIR_READ)
        memcpy(req->data, disk->bytes + req->offset, req->length);
    else if (req->op == WEIR_WRITE)
        memcpy(disk->bytes + req->offset, req->data, req->length);
    return 0;
}

static int disk_grow(void *self, uint64_t size, struct weir_text *why)
{
    struct disk *disk = self;

    if (size > 64 << 20) {
        weir_print(why, "the disk cannot have more than 64 MiB");
        return -ENOSPC;
    }
    char *bigger = realloc(disk->bytes, size);
    if (!bigger)
        return -ENOMEM;
    memset(bigger + disk->size, 0, size - disk->size);
    disk->bytes = bigger;
    disk->size = size;
    return 0;
}

static void disk_close(void *self)
{
    free(((struct disk *)self)->bytes);
}

static int64_t disk_bytes(void *self)
{
    return (int64_t)((struct disk *)self)->size;
}

static void disk_words(void *self, struct weir_text *text)
{
    (void)self;
    weir_print(text, "two\nlines\n");
}

static int disk_echo(void *self, const char *arguments, struct weir_text *answer)
{
    (void)self;
    weir_print(answer, "the store heard: %s", arguments);
    return *arguments ? 0 : -EINVAL;
}

static const struct weir_stat disk_stats[] = {
    WEIR_STAT_VALUE(held_bytes, disk_bytes, "bytes", "Bytes that it holds."),
    WEIR_STAT_TEXT(words, disk_words, "A text."),
    { 0 },
};
static const struct weir_verb disk_verbs[] = {
    { "echo", "Says it again.", disk_echo },
    { 0 },
};
static const struct weir_option no_options[] = { { 0 } };
static const struct store_type disk_type = {
    .name = "disk",
    .summary = "A disk in memory.",
    .self_size = sizeof(struct disk),
    .config_size = 8,
    .options = no_options,
    .open = disk_open,
    .geometry = disk_geometry,
    .serve = disk_serve,
    .grow = disk_grow,
    .close = disk_close,
    .stats = disk_stats,
    .verbs = disk_verbs,
};

/* ---- the configuration ------------------------------------------------------- */

static void add_mistake(struct mistakes *mistakes, const char *sentence)
{
    struct mistake *bigger =
        realloc(mistakes->list, (mistakes->count + 1) * sizeof(*mistakes->list));

    must(bigger, "memory");
    mistakes->list = bigger;
    mistakes->list[mistakes->count++] = (struct mistake){ .file = strdup("gold.conf"),
                                                          .line = 3,
                                                          .column = 14,
                                                          .word = strdup("shres"),
                                                          .sentence = strdup(sentence),
                                                          .at_end = world_at_end };
}

void mistakes_finish(struct mistakes *mistakes)
{
    for (size_t i = 0; i < mistakes->count; i++) {
        free(mistakes->list[i].file);
        free(mistakes->list[i].word);
        free(mistakes->list[i].sentence);
    }
    free(mistakes->list);
    *mistakes = (struct mistakes){ 0 };
}

void mistakes_print(const struct mistakes *mistakes, struct weir_text *text)
{
    for (size_t i = 0; i < mistakes->count; i++)
        weir_print(text, "%s:%u:%u: error: %s\n", mistakes->list[i].file, mistakes->list[i].line,
                   mistakes->list[i].column, mistakes->list[i].sentence);
}

static int asked(struct mistakes *mistakes, const char *what, const char *name, const char *text)
{
    snprintf(world_asked, sizeof(world_asked), "%s %s %s", what, name, text);
    if (world_answers)
        add_mistake(mistakes, "\"shres\" is no option; did you mean \"shares\"?");
    return world_answers;
}

int config_reload(struct mistakes *mistakes)
{
    return asked(mistakes, "reload", "", "");
}

int config_filter_prepare(const char *filter, const char *id, struct mistakes *mistakes,
                          struct weir_text *why)
{
    (void)why;
    return asked(mistakes, "filter-prepare", filter, id);
}

int config_filter_upgrade(const char *filter, struct weir_text *done, struct mistakes *mistakes,
                          struct weir_text *why)
{
    (void)why;
    weir_print(done, "vm1\t1\t2\t1000\n");
    return asked(mistakes, "filter-upgrade", filter, "");
}

int config_filter_release(const char *filter, bool check_only, struct weir_text *why)
{
    (void)why;
    return asked(NULL, "filter-release", filter, check_only ? "check" : "");
}

static char **list_of(const char *one)
{
    size_t size = one ? strlen(one) + 1 : 0;
    char **list = malloc(2 * sizeof(*list) + size);

    must(list, "memory");
    list[0] = one ? memcpy((char *)(list + 2), one, size) : NULL;
    list[1] = NULL;
    return list;
}

char **config_policies(void)
{
    return list_of("gold");
}

int config_policy(const char *name, struct policy_view *view)
{
    if (strcmp(name, "gold") != 0)
        return -ENOENT;
    *view = (struct policy_view){ strdup("gold"), strdup("the best"), strdup("# gold\nname = 1;"),
                                  strdup("/etc/weir/policies.d/gold.conf"), list_of("vm1") };
    return 0;
}

void policy_view_finish(struct policy_view *view)
{
    free(view->name);
    free(view->description);
    free(view->text);
    free(view->file);
    free(view->exports);
    *view = (struct policy_view){ 0 };
}

int config_policy_check(const char *name, const char *text, struct mistakes *mistakes)
{
    return asked(mistakes, "check", name, text);
}

int config_policy_set(const char *name, const char *text, struct mistakes *mistakes)
{
    return asked(mistakes, "set", name, text);
}

int config_policy_remove(const char *name, struct mistakes *mistakes)
{
    return asked(mistakes, "remove", name, "");
}

int config_policy_assign(const char *export, const char *policy, struct mistakes *mistakes)
{
    return asked(mistakes, "assign", export, policy);
}

int config_export_policy(const char *export, struct weir_text *text)
{
    weir_print(text, "# the policy of %s\n", export);
    return 0;
}

int config_export_policy_check(const char *export, const char *text, struct mistakes *mistakes)
{
    return asked(mistakes, "check-export", export, text);
}

int config_export_policy_set(const char *export, const char *text, struct mistakes *mistakes)
{
    return asked(mistakes, "set-export", export, text);
}

const char *config_export_policy_name(const char *export, char buffer[256])
{
    snprintf(buffer, 256, "%s", strcmp(export, "vm1") == 0 ? "gold" : "");
    return buffer;
}

int config_set_option(const char *export, const char *label, const char *option, const char *value,
                      struct weir_text *why)
{
    struct export *found = gateway_find(export);
    int error = found ? export_set_option(found, label, option, value, why) : -ENOENT;

    export_unref(found);
    return error;
}

enum compliance config_compliance(const char *export, struct weir_text *reason)
{
    if (strcmp(export, "vm1") == 0)
        return COMPLIANT;
    weir_print(reason, "filter gone is missing");
    return NON_COMPLIANT;
}

const char *compliance_name(enum compliance compliance)
{
    static const char *const names[] = { "compliant", "out-of-date", "non-compliant", "unknown" };

    return names[compliance];
}

char **config_datastores(void)
{
    return list_of("local");
}

int config_datastore(const char *name, struct datastore_view *view)
{
    if (strcmp(name, "local") != 0)
        return -ENOENT;
    *view = (struct datastore_view){ .name = strdup("local"),
                                     .type = strdup("disk"),
                                     .path = strdup("/disks"),
                                     .space = { 1000, 400 },
                                     .exports = list_of("vm1") };
    must(settings_create(datastore_rows, sizeof(struct datastore_keys), &view->keys, NULL) == 0 &&
             settings_set(view->keys, "latency_threshold", world_threshold, NULL) == 0,
         "keys");
    return 0;
}

int config_set_datastore(const char *name, const char *key, const char *value, bool check_only,
                         struct weir_text *why)
{
    struct datastore_view view;
    int error = config_datastore(name, &view);

    if (error)
        return error;
    error = settings_set(view.keys, key, value, why);
    if (!error && !check_only)
        snprintf(world_threshold, sizeof(world_threshold), "%s", value);
    datastore_view_finish(&view);
    return error;
}

void datastore_view_finish(struct datastore_view *view)
{
    free(view->name);
    free(view->type);
    free(view->path);
    free(view->exports);
    settings_destroy(view->keys);
    *view = (struct datastore_view){ 0 };
}

/* ---- exports ----------------------------------------------------------------- */

static void add_filter(struct plan *plan, const char *name)
{
    struct plan_filter *filter = &plan->filter[plan->count++];
    struct weir_text why = { 0 };

    must(loader_get(name, &filter->library, &why) == 0, text_string(&why));
    filter->label = strdup(name);
    must(settings_create(filter->library->filter.options, filter->library->filter.config_size,
                         &filter->settings, &why) == 0,
         text_string(&why));
}

static void add_export(const char *name, bool filtered)
{
    struct export_config config = { .name = strdup(name),
                                    .description = strdup("a disk"),
                                    .image = strdup("image") };
    const struct datastore_setup local = { .name = "local", .type = &disk_type };
    struct plan plan = { .hold_limit = 2000000000 };
    struct export *export;

    must(datastore_create(&local, &config.datastore) == 0, "datastore");
    if (filtered) {
        add_filter(&plan, "sample");
        add_filter(&plan, "pass");
    }
    must(plan_sort(&plan, NULL) == 0, "sorting");
    must(export_create(&config, &plan, &export) == 0, "export");
    must(gateway_add(export) == 0, "adding");
    must(export_open(export, NULL) == 0, "opening");
    export_unref(export);
}

static void say_nothing(enum weir_severity severity, const char *line)
{
    (void)severity;
    (void)line;
}

void world_start(void)
{
    const char *build = getenv("WEIR_BUILD");
    char filters[512];

    must(build, "WEIR_BUILD is not set");
    snprintf(filters, sizeof(filters), "%s/tests/unit:%s/filters", build, build);
    snprintf(world_run, sizeof(world_run), "/tmp/weir-unit.XXXXXX");
    must(mkdtemp(world_run), "folder");
    events_log_to(say_nothing);
    must(places_init("unit", world_run, world_run, filters) == 0, "places");
    add_export("vm1", true);
    add_export(ODD_NAME, false);
    world_answers = 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void world_stop(void)
{
    gateway_remove("vm1");
    gateway_remove(ODD_NAME);
    kept_forget_all();
    places_finish();
    nftw(world_run, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void world_traffic(unsigned requests)
{
    struct export *export = gateway_find("vm1");
    char bytes[4096] = { 0 };

    for (unsigned i = 0; i < requests; i++) {
        struct weir_request req = { .op = i % 2 ? WEIR_READ : WEIR_WRITE,
                                    .offset = (uint64_t)(i % 64) * sizeof(bytes),
                                    .length = sizeof(bytes),
                                    .data = bytes };
        must(export_serve(export, &req) == 0, "traffic");
    }
    export_unref(export);
}
