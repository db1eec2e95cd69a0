/* rig.c - how is a chain with the filter made, used and taken apart?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct library *probe_above(void), *probe_below(void); /* probes.c */

atomic_uint misuses;
char misuse[512];

/* The core's words for what only a defect of a filter can be. */
static void listen_to(enum weir_severity severity, const char *line)
{
    if (getenv("WEIR_CERTIFY_LOG"))
        fprintf(stderr, "%s\n", line);
    if (severity == WEIR_ERROR && strstr(line, "a defect of the filter") &&
        atomic_fetch_add(&misuses, 1) == 0)
        snprintf(misuse, sizeof(misuse), "%s", line);
}

/* Where the filter lies, and for its company also where a gateway looks; malloc'ed. */
static char *loader_folders(const struct kit *k, const char *own)
{
    cleanup_free char *others = k->policy ? default_filters() : strdup("");
    char *all = NULL;

    return !others || asprintf(&all, "%s%s%s", own, *others ? ":" : "", others) < 0 ? NULL : all;
}

void rig_begin(struct kit *k)
{
    cleanup_text struct weir_text why = { 0 };
    cleanup_free char *folder = strdup(k->path);

    if (k->library)
        return;
    events_log_to(listen_to);
    media_in_use = k->media;
    if (!folder)
        fail(k, "no memory");
    *strrchr(folder, '/') = '\0';
    cleanup_free char *folders = loader_folders(k, folder);
    if (!folders || places_init("certify", k->folder, k->folder, folders) || loader_path(folders))
        fail(k, "no memory");
    if (loader_get(k->name, &k->library, &why))
        fail(k, "%s", text_string(&why));
    k->label = k->library->filter.name;
    if (k->policy)
        rig_read_policy(k);
}

bool rig_transforms(const struct kit *k)
{
    return k->library->filter.flags & WEIR_TRANSFORMS;
}

int rig_settings(struct kit *k, struct settings **ret, struct weir_text *why)
{
    const struct weir_filter *f = &k->library->filter;
    struct settings *s = NULL;
    int r = k->company ? settings_copy(k->company->filter[k->place].settings, &s)
                       : settings_create(f->options, f->config_size, &s, why);

    for (size_t i = 0; !r && i < k->option_count; i++)
        r = settings_set(s, k->options[i].name, k->options[i].value, why);
    const struct weir_option *missing = r ? NULL : settings_missing(s);
    if (missing) {
        weir_print(why, "the filter needs the option \"%s\" (%s): give it with --option %s=VALUE",
                   missing->name, missing->help, missing->name);
        r = -EINVAL;
    }
    if (!r && f->check)
        r = f->check(settings_config(s), why);
    if (r)
        settings_destroy(s);
    else
        *ret = s;
    return r;
}

/* ---- a plan ---------------------------------------------------------------------- */

static int add(struct plan *p, struct library *l, const char *label, struct settings *s)
{
    struct plan_filter *f = &p->filter[p->count++];

    f->library = loader_ref(l);
    f->label = strdup(label);
    f->settings = s;
    return f->label ? 0 : -ENOMEM;
}

static int add_probe(struct plan *p, struct library *l)
{
    struct settings *s = NULL;
    int r = settings_create(l->filter.options, l->filter.config_size, &s, NULL);

    return r ? r : add(p, l, l->filter.name, s);
}

/* The policy's filters from one to before another. */
static int add_company(const struct kit *k, struct plan *p, size_t from, size_t to)
{
    int r = 0;

    for (size_t i = from; !r && k->company && i < to; i++) {
        const struct plan_filter *f = &k->company->filter[i];
        struct settings *s = NULL;
        r = settings_copy(f->settings, &s);
        if (!r)
            r = add(p, f->library, f->label, s);
    }
    return r;
}

static int make_pools(struct kit *k, struct pools **ret)
{
    struct pool list[16];
    char path[16][512];

    for (size_t i = 0; i < k->pool_count; i++) {
        const char *given = k->pools[i].path;
        snprintf(path[i], sizeof(path[i]), "%s%s%s", *given == '/' ? "" : k->folder,
                 *given == '/' ? "" : "/", given);
        list[i] = k->pools[i];
        list[i].path = path[i];
    }
    return pools_create(list, k->pool_count, ret);
}

static int make_plan(struct kit *k, bool filter, struct plan *p, struct weir_text *why)
{
    struct settings *s = NULL;

    *p = (struct plan){ .hold_limit = k->hold_limit, .on_filter_failure = k->on_failure };
    int r = k->pool_count ? make_pools(k, &p->pools) : 0;
    if (!r)
        r = add_company(k, p, 0, k->place);
    if (!r)
        r = add_probe(p, probe_above());
    if (!r && filter)
        r = rig_settings(k, &s, why);
    if (!r && filter)
        r = add(p, k->library, k->label, s);
    if (!r)
        r = add_probe(p, probe_below());
    return r || !k->company ? r : add_company(k, p, k->place + 1, k->company->count);
}

static int wait_until_active(struct kit *k, struct weir_text *why)
{
    for (int tries = 0; tries < 10000; tries++) { /* a key may take its time */
        struct export_view view;
        if (export_view(k->export, &view))
            return -ENOMEM;
        enum export_state state = view.state;
        if (tries == 9999)
            weir_print(why, "the disk is locked: %s", view.reason);
        export_view_finish(&view);
        if (state == EXPORT_ACTIVE)
            return 0;
        usleep(1000);
    }
    return -EIO;
}

int rig_try_open(struct kit *k, bool filter, struct weir_text *why)
{
    const struct datastore_setup store = { .name = "certify", .type = &media_store };
    struct export_config config = { .name = strdup("disk"),
                                    .description = strdup(""),
                                    .image = strdup("") };
    struct weir_geometry g;
    struct plan plan;

    rig_begin(k);
    int r = make_plan(k, filter, &plan, why);
    if (!r)
        r = datastore_create(&store, &config.datastore);
    if (!r)
        r = export_create(&config, &plan, &k->export);
    if (!r)
        r = export_open(k->export, why);
    if (!r)
        r = wait_until_active(k, why);
    if (r)
        return r;
    export_geometry(k->export, &g);
    k->size = g.size;
    return 0;
}

void rig_open(struct kit *k, bool filter)
{
    cleanup_text struct weir_text why = { 0 };
    int r = rig_try_open(k, filter, &why);

    if (r)
        fail(k, "the chain does not open: %s", why.length ? text_string(&why) : strerror(-r));
    if (k->size < 16 << 20)
        fail(k, "the filter leaves %llu bytes of a disk of %d: the kit needs 16 MiB",
             (unsigned long long)k->size, MEDIA_SIZE);
}

void rig_close(struct kit *k)
{
    int r = export_close(k->export);

    if (r == -ETIMEDOUT)
        fail(k, "the disk does not close: requests of the filter do not end");
    if (r)
        fail(k, "the flush at the close failed with %s", errno_word(-r));
    export_unref(k->export);
    k->export = NULL;
}

int rig_apply(struct kit *k, bool filter, struct weir_text *why)
{
    struct plan plan;
    int r = make_plan(k, filter, &plan, why);

    return r ? r : export_apply(k->export, &plan, why);
}

int ask(struct kit *k, enum weir_op op, uint64_t offset, uint64_t length, uint32_t flags,
        void *data)
{
    struct weir_request req = {
        .op = op, .flags = flags, .offset = offset, .length = length, .data = data
    };
    return export_serve(k->export, &req);
}

bool nbd_carries(int error)
{
    switch (error) {
    case 0:
    case EPERM:
    case EIO:
    case ENOMEM:
    case ENOSPC:
    case ESHUTDOWN:
    case EINVAL:
    case EOPNOTSUPP:
        return true;
    default:
        return false;
    }
}

const char *errno_word(int error)
{
    const char *name = error == EOPNOTSUPP ? "ENOTSUP" : strerrorname_np(error);

    return error ? name ? name : "an errno that does not exist" : "success";
}
