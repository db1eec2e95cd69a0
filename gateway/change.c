/* change.c - how does a chain become another while a guest writes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * New filters are made, the disk is drained, those that go are detached, those that
 * come are attached, the chain is swapped, and clients go on.  If one refuses, the
 * same steps are taken back.  Of disks that change together all take each step before
 * one takes the next: what they share is free when the first new filter comes. */
#include "events.h"
#include "export-private.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- what would change ------------------------------------------------------- */

static int judge_settings(const struct weir_filter *f, const char *label, const struct settings *s,
                          struct weir_text *why)
{
    const struct weir_option *missing = settings_missing(s);

    if (missing) {
        weir_print(why, "filter %s needs the option \"%s\": %s", label, missing->name,
                   missing->help);
        return -EINVAL;
    }
    return f->check ? f->check(settings_config(s), why) : 0;
}

static int judge_plan(const struct plan *p, struct weir_text *why)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct plan_filter *f = &p->filter[i];
        int r = judge_settings(&f->library->filter, f->label, f->settings, why);
        if (r)
            return r;
    }
    return 0;
}

/* The place can stay: the same code, and what differs may change while it runs. */
static bool can_stay(struct weir_below *b, const struct plan *p, const struct plan_filter *f)
{
    const struct settings *now = atomic_load(&b->settings);

    if (b->library != f->library || strcmp(b->label, f->label) || atomic_load(&b->bypassed) ||
        b->stuck || /* one that was given up on comes back fresh */
        !place_suits_pools(b, p->pools))
        return false;
    for (const struct weir_option *o = f->library->filter.options; o && o->name; o++)
        if (!(o->flags & WEIR_LIVE) && !settings_equal(now, f->settings, o->name))
            return false;
    return true;
}

static bool differs(const struct weir_below *b, const struct plan_filter *f)
{
    const struct settings *now = atomic_load(&b->settings);

    for (const struct weir_option *o = f->library->filter.options; o && o->name; o++)
        if (!settings_equal(now, f->settings, o->name))
            return true;
    return false;
}

static struct weir_below *find_place(const struct chain *c, const char *label)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->link[i].place->label, label) == 0)
            return c->link[i].place;
    return NULL;
}

static bool only_options(const struct export *e, const struct plan *p)
{
    const struct chain *c = e->chain;

    if ((size_t)c->count != p->count || c->hold_limit != p->hold_limit ||
        c->on_filter_failure != p->on_filter_failure)
        return false;
    for (int i = 0; i < c->count; i++)
        if (!can_stay(c->link[i].place, p, &p->filter[i]))
            return false;
    return true;
}

static bool chain_has(const struct chain *c, const char *filter)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->link[i].place->library->filter.name, filter) == 0)
            return true;
    return false;
}

static bool plan_has(const struct plan *p, const char *filter)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].library->filter.name, filter) == 0)
            return true;
    return false;
}

static int refuse_form(const char *filter, const char *what, unsigned clients,
                       struct weir_text *why)
{
    weir_print(why,
               "the filter %s changes what is stored, and cannot %s while %u clients have the disk "
               "open: disconnect them first",
               filter, what, clients);
    return -EBUSY;
}

/* Clients would see another disk, mostly of another size.  To find that out by attaching the filter
 * is too late: it may format what it finds, and one that is put back may ask for its key in
 * vain. */
static int judge_form(const struct export *e, const struct plan *p, struct weir_text *why)
{
    const unsigned clients = atomic_load(&e->connections);
    const struct chain *c = e->chain;

    for (size_t i = 0; clients && i < p->count; i++) {
        const struct weir_filter *f = &p->filter[i].library->filter;
        if (f->flags & WEIR_TRANSFORMS && !chain_has(c, f->name))
            return refuse_form(f->name, "come", clients, why);
    }
    for (int i = 0; clients && i < c->count; i++) {
        const struct weir_filter *f = &c->link[i].place->library->filter;
        if (f->flags & WEIR_TRANSFORMS && !plan_has(p, f->name))
            return refuse_form(f->name, "go", clients, why);
    }
    return 0;
}

/* ---- options alone: no pause ------------------------------------------------- */

static int apply_options(struct weir_below *b, const struct plan_filter *f)
{
    struct settings *copy = NULL;
    int r;

    if (!differs(b, f))
        return 0;
    r = settings_copy(f->settings, &copy);
    if (!r)
        r = place_apply(b, copy);
    if (r)
        settings_destroy(copy);
    return r;
}

static int apply_all_options(const struct chain *c, const struct plan *p)
{
    for (int i = 0; i < c->count; i++) {
        place_take_pools(c->link[i].place, p->pools);
        int r = apply_options(c->link[i].place, &p->filter[i]);
        if (r)
            return r;
    }
    return 0;
}

static void swap_plan(struct export *e, struct plan *p)
{
    hold_lock(&e->lock);
    struct plan old = e->plan;

    e->plan = *p;
    *p = old; /* the caller finishes it */
    e->generation++;
}

/* ---- another chain ----------------------------------------------------------- */

struct change {
    struct export *export;
    struct plan *plan;
    size_t index; /* in the caller's list */
    struct chain *old, *new;
    struct weir_below *place[CHAIN_MAX]; /* of the new chain */
    bool kept[CHAIN_MAX];                /* … that are of the old one, too */
    bool stays[CHAIN_MAX];               /* of the old chain, by index */
    struct weir_geometry top;
};

/* Those that change together, and have a chain. */
struct changes {
    struct change *list;
    struct export **exports; /* the same */
    size_t count;
    size_t failed; /* index of the one that refuses */
};

static int make_change(struct change *ch)
{
    struct export *e = ch->export;
    const struct plan *p = ch->plan;

    ch->old = e->chain;
    for (size_t i = 0; i < p->count; i++) {
        struct weir_below *b = find_place(ch->old, p->filter[i].label);
        if (b && can_stay(b, p, &p->filter[i])) {
            ch->place[i] = b;
            ch->kept[i] = true;
            ch->stays[b->index] = true;
        }
    }
    int r = create_places(e, p, ch->place);
    return r ? r : chain_create(e, ch->place, (int)p->count, p, &ch->new);
}

static void detach_gone(const struct change *ch)
{
    for (int i = 0; i < ch->old->count; i++)
        if (!ch->stays[i])
            detach_place(ch->export, ch->old->link[i].place);
}

static void detach_new(const struct change *ch)
{
    for (int i = 0; i < ch->new->count; i++)
        if (!ch->kept[i])
            detach_place(ch->export, ch->place[i]);
}

/* Attaches again what was detached.  When even that fails nothing of the disk is left
 * that could be served: it is taken apart, and opened anew when somebody tries. */
static void attach_old(const struct change *ch)
{
    cleanup_text struct weir_text why = { 0 }, reason = { 0 };
    struct export *e = ch->export;
    struct weir_geometry top;

    if (attach_places(e, ch->old, &top, &why) == 0)
        return;
    weir_print(&reason, "a change was taken back, but the old chain would not attach again: %s",
               text_string(&why));
    export_set_stage(e, STAGE_CLOSED, text_string(&reason));
    event_post(WEIR_ERROR, export_name(e), NULL, "locked: %s", text_string(&reason));
    tear_down(e);
}

static int judge_size(const struct export *e, const struct change *ch, struct weir_text *why)
{
    unsigned clients = atomic_load(&e->connections);

    if (ch->top.size == e->geometry.size || clients == 0)
        return 0;
    weir_print(why,
               "the disk would change its size from %" PRIu64 " to %" PRIu64
               " bytes while %u clients have it open: disconnect them first",
               e->geometry.size, ch->top.size, clients);
    return -EBUSY;
}

static int attach_new(struct change *ch, struct weir_text *why)
{
    struct export *e = ch->export;
    int r = attach_places(e, ch->new, &ch->top, why);

    if (!r)
        r = judge_size(e, ch, why);
    if (!r)
        r = form_note_all(e, ch->new, why);
    if (!r)
        r = left_out_note(e, ch->new, why);
    return r ? r : apply_all_options(ch->new, ch->plan);
}

static void take_new(const struct change *ch)
{
    struct export *e = ch->export;
    hold_lock(&e->lock);

    e->chain = ch->new;
    e->geometry = ch->top;
    export_settle(e);
    e->blocks.align = ch->top.block_min ? ch->top.block_min : 1;
}

/* All stand still. */
static int swap_all(struct changes *all, struct weir_text *why)
{
    int r = 0;

    for (size_t i = 0; !r && i < all->count; i++) {
        all->failed = all->list[i].index;
        /* again: a filter may keep more than when it was asked first */
        r = form_judge(all->exports[i], all->list[i].plan, why);
    }
    if (r)
        return r;
    for (size_t i = 0; i < all->count; i++)
        detach_gone(&all->list[i]);
    for (size_t i = 0; !r && i < all->count; i++) {
        all->failed = all->list[i].index;
        r = attach_new(&all->list[i], why);
    }
    if (!r) {
        for (size_t i = 0; i < all->count; i++)
            take_new(&all->list[i]);
        return 0;
    }
    for (size_t i = 0; i < all->count; i++)
        detach_new(&all->list[i]);
    for (size_t i = 0; i < all->count; i++)
        attach_old(&all->list[i]);
    return r;
}

static int exchange(struct changes *all, struct weir_text *why)
{
    size_t failed = 0;

    if (!all->count)
        return 0;
    int r = stand_still_all(all->exports, all->count, &failed, why);
    if (r) {
        all->failed = all->list[failed].index;
        return r;
    }
    r = swap_all(all, why);
    for (size_t i = 0; i < all->count; i++)
        go_on(all->exports[i]);
    return r;
}

/* Throws the new places away, or the old ones that go. */
static void clear_away(struct change *ch, bool failed)
{
    for (size_t i = 0; failed && i < ch->plan->count; i++)
        if (!ch->kept[i])
            place_destroy(ch->place[i]);
    for (int i = 0; !failed && i < ch->old->count; i++)
        if (!ch->stays[i])
            place_destroy(ch->old->link[i].place);
    chain_destroy(failed ? ch->new : ch->old);
    if (!failed)
        swap_plan(ch->export, ch->plan);
}

static int rebuild(struct changes *all, struct weir_text *why)
{
    size_t made = 0;
    int r = 0;

    for (; !r && made < all->count; made++) {
        all->failed = all->list[made].index;
        r = make_change(&all->list[made]);
    }
    if (!r)
        r = exchange(all, why);
    for (size_t i = 0; i < made; i++)
        clear_away(&all->list[i], r);
    return r;
}

/* ---- the ways in ------------------------------------------------------------- */

static int judge(const struct export *e, const struct plan *p, struct weir_text *why)
{
    int r = judge_plan(p, why);

    if (!r)
        r = form_judge(e, p, why);
    if (!r && e->stunned) {
        weir_print(why, "export %s is stunned: unstun it first", export_name(e));
        r = -EBUSY;
    }
    return r || !e->chain || only_options(e, p) ? r : judge_form(e, p, why);
}

static int apply(struct export *const *list, struct plan *plans, size_t count, struct changes *all,
                 struct weir_text *why)
{
    int r = 0;

    for (size_t i = 0; !r && i < count; i++) {
        all->failed = i;
        r = judge(list[i], &plans[i], why);
        if (!list[i]->chain)
            continue;
        all->list[all->count] = (struct change){ .export = list[i], .plan = &plans[i], .index = i };
        all->exports[all->count++] = list[i];
    }
    if (!r && count == 1 && all->count && only_options(list[0], plans)) {
        r = apply_all_options(list[0]->chain, plans);
        if (!r)
            swap_plan(list[0], plans);
        return r;
    }
    if (!r)
        r = rebuild(all, why);
    for (size_t i = 0; !r && i < count; i++)
        if (!list[i]->chain)
            swap_plan(list[i], &plans[i]);
    return r;
}

int export_apply_all(struct export *const *list, struct plan *plans, size_t count, size_t *failed,
                     struct weir_text *why)
{
    struct changes all = { .list = calloc(count, sizeof *all.list),
                           .exports = calloc(count, sizeof *all.exports) };

    for (size_t i = 0; i < count; i++)
        take_turn(list[i]);
    int r = all.list && all.exports ? apply(list, plans, count, &all, why) : -ENOMEM;
    for (size_t i = 0; i < count; i++)
        give_turn(list[i]);
    *failed = all.failed;
    if (r && why && !why->length)
        weir_print(why, "cannot be applied: %s", strerror(-r));
    for (size_t i = 0; i < count; i++) {
        if (!r)
            event_post(WEIR_INFO, export_name(list[i]), NULL, "policy applied");
        plan_finish(&plans[i]);
    }
    free(all.list);
    free(all.exports);
    return r;
}

int export_apply(struct export *e, struct plan *p, struct weir_text *why)
{
    size_t failed;

    return export_apply_all(&e, p, 1, &failed, why);
}

static struct plan_filter *find_in_plan(struct plan *p, const char *label)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].label, label) == 0)
            return &p->filter[i];
    return NULL;
}

static int judge_option(const struct export *e, const struct plan_filter *f, const char *label,
                        const char *option, struct weir_text *why)
{
    if (!f) {
        weir_print(why, "export %s has no filter \"%s\"", export_name(e), label);
        return -ENOENT;
    }
    const struct weir_option *o = option_find(f->library->filter.options, option);
    if (o && !(o->flags & WEIR_LIVE)) {
        weir_print(why,
                   "option \"%s\" of filter %s cannot change while the filter runs: edit the "
                   "policy instead",
                   option, label);
        return -EPERM;
    }
    return 0;
}

static int set_option(struct export *e, const char *label, const char *option, const char *value,
                      struct weir_text *why)
{
    struct plan_filter *f = find_in_plan(&e->plan, label);
    struct settings *copy = NULL;

    int r = judge_option(e, f, label, option, why);
    if (!r)
        r = settings_copy(f->settings, &copy);
    if (!r)
        r = settings_set(copy, option, value, why);
    if (!r)
        r = judge_settings(&f->library->filter, label, copy, why);
    if (!r && e->chain) {
        const struct plan_filter changed = { f->library, f->label, copy };
        r = apply_options(find_place(e->chain, label), &changed);
    }
    if (!r) {
        hold_lock(&e->lock);
        struct settings *old = f->settings;
        f->settings = copy;
        copy = old;
        e->generation++;
    }
    settings_destroy(copy);
    return r;
}

int export_set_option(struct export *e, const char *label, const char *option, const char *value,
                      struct weir_text *why)
{
    take_turn(e);
    int r = set_option(e, label, option, value, why);
    give_turn(e);
    return r;
}
