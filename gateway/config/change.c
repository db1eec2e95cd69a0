/* change.c - how do the exports get from one configuration to another, all or none?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../dynamic.h"
#include "../events.h"
#include "../gateway.h"
#include "../scope.h"
#include "../text.h"
#include "running.h"
#include "together.h"

#include <errno.h>
#include <string.h>

struct change {
    struct configuration *old, *new;
    struct report *report;
    bool *apply;  /* per export of `new`: its chain is to change … */
    size_t *with; /* … at once with this one's (together.h) */
};

/* ---- making exports ---------------------------------------------------------- */

/* A store whose images are names of its own finds an export's by the export's. */
static const char *image_of(const struct export_entry *e, const struct store_type *type)
{
    return *e->image || !type->point ? e->image : e->name;
}

static int export_config_make(const struct configuration *c, const struct export_entry *e,
                              struct export_config *ret)
{
    struct datastore *datastore = datastore_entry_find(c, e->datastore)->object;
    struct export_config config = {
        .name = strdup(e->name),
        .description = strdup(e->description),
        .datastore = datastore_ref(datastore),
        .image = strdup(image_of(e, datastore->type)),
        .size = e->size,
        .read_only = e->read_only,
        .allow = e->allow ? copy_rules(e->allow) : NULL,
    };

    if (!config.name || !config.description || !config.image || !config.allow != !e->allow) {
        export_config_finish(&config);
        return -ENOMEM;
    }
    *ret = config;
    return 0;
}

static int add_export(const struct configuration *c, const struct export_entry *entry)
{
    struct export_config config;
    struct export *e = NULL;
    struct plan plan;

    int err = export_config_make(c, entry, &config);
    if (err)
        return err;
    err = plan_copy(&entry->plan, &plan);
    if (!err) {
        err = export_create(&config, &plan, &e);
        if (err)
            plan_finish(&plan);
    }
    if (err) {
        export_config_finish(&config);
        return err;
    }
    err = gateway_add(e);
    export_unref(e); /* the list has its own */
    if (!err)
        reopen_soon(entry->name);
    return err;
}

static int remove_export(const char *name)
{
    struct export *e = gateway_find(name);
    int err = e ? gateway_remove(name) : -ENOENT;

    if (!err)
        err = export_close(e);
    export_unref(e);
    return err;
}

/* ---- what differs ------------------------------------------------------------ */

static bool rules_equal(char **a, char **b)
{
    if (!a || !b)
        return a == b;
    for (; *a && *b && !strcmp(*a, *b); a++, b++)
        ;
    return !*a && !*b;
}

/* In all that cannot change while disks are open. */
static bool datastores_equal(const struct datastore_entry *a, const struct datastore_entry *b)
{
    if (a->type != b->type)
        return false;
    for (const struct weir_option *o = a->type->options; o && o->name; o++) {
        if (!settings_equal(a->options, b->options, o->name))
            return false;
    }
    return datastore_keys_equal(a->keys, b->keys);
}

static bool is_same_place(const struct change *ch, const struct export_entry *a,
                          const struct export_entry *b)
{
    return !strcmp(a->datastore, b->datastore) && !strcmp(a->image, b->image) &&
           datastores_equal(datastore_entry_find(ch->old, a->datastore),
                            datastore_entry_find(ch->new, b->datastore));
}

/* All but the policy: what an export cannot change while it is there. */
static bool is_same_disk(const struct change *ch, const struct export_entry *a,
                         const struct export_entry *b)
{
    return !strcmp(a->description, b->description) && is_same_place(ch, a, b) &&
           a->size == b->size && a->read_only == b->read_only && rules_equal(a->allow, b->allow);
}

static unsigned clients_of(const char *name)
{
    struct export *e = gateway_find(name);
    struct export_view view;
    unsigned clients = 0;

    if (e && !export_view(e, &view)) {
        clients = view.connections;
        export_view_finish(&view);
    }
    export_unref(e);
    return clients;
}

static void check_unused(const struct change *ch, const struct export_entry *gone,
                         const struct export_entry *instead)
{
    /* its points do not ask what else is said of it */
    bool moves = !instead || !is_same_place(ch, gone, instead);
    unsigned clients = clients_of(gone->name) + dynamic_clients(gone->name, moves);
    struct report busy = { .mistakes = ch->report->mistakes };

    if (!clients)
        return;
    if (instead)
        report_value(&busy, instead->source, key_find(instead->group, "name"),
                     "export \"%s\" changes in more than its policy while %u client%s it open: "
                     "disconnect first",
                     gone->name, clients, clients == 1 ? " has" : "s have");
    else
        report_file(&busy, -EBUSY, gone->source->name,
                    "export \"%s\" is gone while %u client%s it open: disconnect first", gone->name,
                    clients, clients == 1 ? " has" : "s have");
    if (!ch->report->err)
        ch->report->err = -EBUSY;
}

static void check_all_unused(const struct change *ch)
{
    for (size_t i = 0; i < ch->old->export_count; i++) {
        const struct export_entry *was = &ch->old->exports[i];
        const struct export_entry *will = export_entry_find(ch->new, was->name);
        if (!will || !is_same_disk(ch, was, will))
            check_unused(ch, was, will);
    }
}

/* ---- plans ------------------------------------------------------------------- */

static const char *policy_file(const struct configuration *c, const struct export_entry *e)
{
    const struct policy *p = policy_find(c, e->policy);

    return e->override ? e->override->name : p ? p->source->name : e->source->name;
}

static bool is_locked(const char *name)
{
    struct export *e = gateway_find(name);
    struct export_view view;
    bool locked = false;

    if (e && !export_view(e, &view)) {
        locked = view.state == EXPORT_LOCKED;
        export_view_finish(&view);
    }
    export_unref(e);
    return locked;
}

/* Does a filter not do its work, though the plan names it? */
static bool is_ailing(const char *name)
{
    struct export *e = gateway_find(name);
    struct export_view view;
    bool ailing = false;

    if (e && !export_view(e, &view)) {
        ailing = view.state == EXPORT_LOCKED;
        for (size_t i = 0; i < view.count; i++)
            ailing |= view.filter[i].bypassed;
        export_view_finish(&view);
    }
    export_unref(e);
    return ailing;
}

static bool is_touched(const struct change *ch, const struct export_entry *was,
                       const struct export_entry *will)
{
    const struct policy *a = policy_find(ch->old, was->policy);
    const struct policy *b = policy_find(ch->new, will->policy);

    return was->source != will->source || was->override != will->override ||
           (a && b && a->source != b->source);
}

/* Saying the same policy again is how an administrator has a failed filter tried again. */
static bool needs_apply(const struct change *ch, const struct export_entry *will)
{
    const struct export_entry *was = export_entry_find(ch->old, will->name);

    if (!was || !is_same_disk(ch, was, will))
        return false;
    return !plan_equal(&was->plan, &will->plan) ||
           (is_touched(ch, was, will) && is_ailing(will->name));
}

static int decide(struct change *ch)
{
    ch->apply = calloc(ch->new->export_count + 1, sizeof *ch->apply);
    for (size_t i = 0; ch->apply && i < ch->new->export_count; i++)
        ch->apply[i] = needs_apply(ch, &ch->new->exports[i]);
    ch->with = ch->apply ? together_make(ch->old, ch->new, ch->apply) : NULL;
    if (ch->with)
        return 0;
    report_memory(ch->report);
    return -ENOMEM;
}

/* The plan of `c` for export `i` and those that change with it; the first of them does it for all.
 */
static int apply_plan(const struct change *ch, size_t i, const struct configuration *c,
                      const char **failed, struct weir_text *why)
{
    const struct together t = { ch->new, ch->apply, ch->with, i };

    return ch->apply[i] && ch->with[i] == i ? together_apply(&t, c, failed, why) : 0;
}

static void put_back(const struct change *ch, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        cleanup_text struct weir_text why = { 0 };
        const char *failed;
        if (apply_plan(ch, i, ch->old, &failed, &why))
            event_post(WEIR_ERROR, failed, NULL, "the former policy cannot be put back: %s",
                       text_string(&why));
    }
}

static int apply_plans(const struct change *ch)
{
    for (size_t i = 0; i < ch->new->export_count; i++) {
        cleanup_text struct weir_text why = { 0 };
        const char *failed;
        int err = apply_plan(ch, i, ch->new, &failed, &why);
        if (!err)
            continue;
        report_file(ch->report, err, policy_file(ch->new, export_entry_find(ch->new, failed)),
                    "export \"%s\" did not take the change: %s", failed,
                    why.length ? text_string(&why) : strerror(-err));
        put_back(ch, i);
        return err;
    }
    return 0;
}

/* ---- datastores -------------------------------------------------------------- */

/* One that stays the same stays the same object. */
static int find_object(const struct change *ch, struct datastore_entry *d)
{
    const struct datastore_entry *was = ch->old ? datastore_entry_find(ch->old, d->name) : NULL;
    const struct datastore_setup setup = { .name = d->name,
                                           .base = ch->new->layout.path,
                                           .type = d->type,
                                           .options = d->options,
                                           .keys = d->keys };

    if (!was || !datastores_equal(was, d))
        return datastore_create(&setup, &d->object);
    d->object = datastore_ref(was->object);
    return 0;
}

static int find_objects(const struct change *ch)
{
    for (size_t i = 0; i < ch->new->datastore_count; i++) {
        int err = find_object(ch, &ch->new->datastores[i]);
        if (err) {
            report_memory(ch->report);
            return err;
        }
    }
    return 0;
}

static void apply_live_keys(const struct change *ch)
{
    for (size_t i = 0; i < ch->new->datastore_count; i++)
        datastore_apply(ch->new->datastores[i].object, ch->new->datastores[i].keys);
}

/* ---- exports that come and go ------------------------------------------------ */

static void drop_exports(const struct change *ch)
{
    for (size_t i = 0; i < ch->old->export_count; i++) {
        const struct export_entry *was = &ch->old->exports[i];
        const struct export_entry *will = export_entry_find(ch->new, was->name);
        if (will && is_same_disk(ch, was, will))
            continue;
        int err = remove_export(was->name);
        if (err)
            event_post(WEIR_ERROR, was->name, NULL, "closing it failed: %s", strerror(-err));
    }
}

/* What cannot be made here is a lack of memory: an event says it, the rest goes on. */
static void add_exports(const struct change *ch)
{
    for (size_t i = 0; i < ch->new->export_count; i++) {
        const struct export_entry *will = &ch->new->exports[i];
        const struct export_entry *was = ch->old ? export_entry_find(ch->old, will->name) : NULL;
        if (was && is_same_disk(ch, was, will))
            continue;
        int err = add_export(ch->new, will);
        if (err)
            event_post(WEIR_ERROR, will->name, NULL, "cannot be served: %s", strerror(-err));
    }
}

/* An export that is locked may work with its new policy; one that was closed stays so. */
static void reopen_changed(const struct change *ch)
{
    for (size_t i = 0; i < ch->new->export_count; i++) {
        const char *name = ch->new->exports[i].name;
        if (ch->apply[i] && is_locked(name))
            reopen_soon(name);
    }
}

int change_to(struct configuration *new, const struct file_edit *edits, size_t count,
              struct report *report)
{
    struct configuration *old = running_get();
    struct change ch = { .old = old, .new = new, .report = report };
    int err = find_objects(&ch);

    if (!err && old) {
        check_all_unused(&ch);
        err = report->err;
        if (!err)
            err = decide(&ch);
        if (!err)
            err = apply_plans(&ch);
        if (!err && (err = edits_write(edits, count, report)))
            put_back(&ch, new->export_count);
        if (!err) {
            reopen_changed(&ch);
            drop_exports(&ch);
        }
    }
    if (!err) {
        apply_live_keys(&ch);
        add_exports(&ch);
        dynamic_sweep();
        running_set(new);
    }
    free(ch.apply);
    free(ch.with);
    configuration_unref(old);
    return err;
}
