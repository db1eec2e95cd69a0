/* place.c - what does one filter own on one export, and what may it ask for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "chain.h"
#include "events.h"
#include "export-private.h"
#include "gateway.h"
#include "request.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Settings that were replaced while requests ran, and who may still look at them. */
struct retired {
    struct settings *settings;
    struct retired *next;
    bool derived_seen_idle; /* no derived I/O was in flight at some moment since */
    bool until_drain;       /* who looks is not known in full */
    size_t count;
    struct {
        struct worker *worker;
        uint64_t visit;
    } inside[];
};

static int give_order(struct weir_below *b)
{
    if (!(b->library->filter.flags & WEIR_NEEDS_ORDER))
        return 0;
    b->order = malloc(sizeof *b->order);
    if (!b->order)
        return -ENOMEM;
    order_init(b->order, b->library->filter.order_align);
    return 0;
}

/* Takes over what `f` holds, at success only. */
int place_create(struct export *e, struct plan_filter *f, struct weir_below **ret)
{
    const struct weir_filter *t = &f->library->filter;
    struct weir_below *b = calloc(1, sizeof *b);
    int r = -ENOMEM;

    if (!b)
        return r;
    b->export = e;
    b->library = f->library;
    atomic_init(&b->folder, -1);
    atomic_init(&b->settings, NULL);
    b->self = t->self_size ? calloc(1, t->self_size) : NULL;
    b->label = strdup(f->label);
    if (!b->label || (t->self_size && !b->self) || give_order(b) || counting_create(&b->counting) ||
        (t->stats_size && shards_create(t->stats_size, &b->shards))) {
        b->library = NULL;
        place_destroy(b);
        return r;
    }
    atomic_store(&b->settings, steal(f->settings));
    f->library = NULL;
    *ret = b;
    return 0;
}

static void forget(struct retired *r)
{
    settings_destroy(r->settings);
    free(r);
}

void place_forget_retired(struct weir_below *b)
{
    while (b->retired) {
        struct retired *r = b->retired;
        b->retired = r->next;
        forget(r);
    }
}

static bool may_be_looked_at(struct retired *r, struct export *e)
{
    if (export_derived_idle(e))
        r->derived_seen_idle = true;
    while (r->count) { /* each that has left is struck off */
        struct worker *w = r->inside[r->count - 1].worker;
        if (atomic_load(&w->inside) == e &&
            atomic_load(&w->visits) == r->inside[r->count - 1].visit)
            return true;
        r->count--;
    }
    return !r->derived_seen_idle || r->until_drain;
}

/* Without a pause: a disk whose options a script changes every second must not grow. */
static void forget_unseen(struct weir_below *b)
{
    for (struct retired **where = &b->retired, *r; (r = *where);)
        if (may_be_looked_at(r, b->export)) {
            where = &r->next;
        } else {
            *where = r->next;
            forget(r);
        }
}

/* Room for every worker there is; who comes later sees the new settings. */
static struct retired *make_retired(void)
{
    size_t workers = 0;

    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next))
        workers++;
    struct retired *r = calloc(1, sizeof *r + (workers + 16) * sizeof r->inside[0]);
    if (r)
        r->count = workers + 16;
    return r;
}

/* After the settings were replaced: notes who was inside meanwhile. */
static void note_inside(struct retired *r, const struct export *e)
{
    size_t room = r->count;

    r->count = 0;
    for (struct worker *w = worker_first(); w; w = atomic_load(&w->next)) {
        if (atomic_load(&w->inside) != e)
            continue;
        if (r->count == room) { /* so many new threads since it was made */
            r->until_drain = true;
            return;
        }
        r->inside[r->count].worker = w;
        r->inside[r->count++].visit = atomic_load(&w->visits);
    }
}

void place_destroy(struct weir_below *b)
{
    if (!b)
        return;
    place_forget_retired(b);
    settings_destroy(atomic_load(&b->settings));
    loader_put(b->library);
    counting_destroy(b->counting);
    shards_destroy(b->shards);
    if (b->order)
        order_finish(b->order);
    free(b->order);
    if (b->folder >= 0)
        close(b->folder);
    place_forget_pools(b);
    reason_free(b->locked);
    reason_free(b->stuck);
    free(b->self);
    free(b->label);
    free(b);
}

int place_attach(struct weir_below *b, const struct weir_geometry *below, struct weir_text *why)
{
    const struct weir_filter *f = &b->library->filter;
    int r = 0;

    b->below = b->above = *below;
    if (f->self_size)
        memset(b->self, 0, f->self_size);
    form_recall(b);
    if (f->attach)
        r = f->attach(b->self, b, settings_config(atomic_load(&b->settings)), why);
    if (r)
        return r;
    b->attached = true;
    if (f->geometry)
        r = f->geometry(b->self, &b->above, why);
    if (r)
        place_detach(b);
    return r;
}

void place_detach(struct weir_below *b)
{
    if (b->attached && b->library->filter.detach)
        b->library->filter.detach(b->self);
    b->attached = false;
    b->told_to_drain = false;
    atomic_store(&b->drained, false);
}

int place_drain(struct weir_below *b, bool begin, struct weir_text *why)
{
    int r = 0;

    if (!b->attached || b->told_to_drain == begin) /* it came while the disk stood still */
        return 0;
    b->told_to_drain = begin;
    /* its own I/O must still pass while it comes to rest */
    if (!begin)
        atomic_store(&b->drained, false);
    if (b->library->filter.drain)
        r = b->library->filter.drain(b->self, begin, why);
    if (begin && !r)
        atomic_store(&b->drained, true);
    return begin ? r : 0;
}

int place_apply(struct weir_below *b, struct settings *settings)
{
    forget_unseen(b);
    struct retired *r = make_retired();

    if (!r)
        return -ENOMEM;
    r->settings = atomic_exchange(&b->settings, settings);
    note_inside(r, b->export);
    r->next = b->retired;
    b->retired = r;
    if (b->attached && b->library->filter.apply)
        b->library->filter.apply(b->self, settings_config(settings));
    return 0;
}

/* ---- what a filter may ask for ----------------------------------------------- */

/* A point of a disk has the key of the disk, which may go by this. */
const char *weir_export_name(const struct weir_below *b)
{
    const struct export *base = export_config(b->export)->base;

    return export_name(base ? base : b->export);
}

void weir_geometry(const struct weir_below *b, struct weir_geometry *g)
{
    *g = b->below;
}

void weir_datastore(const struct weir_below *b, struct weir_datastore *ret)
{
    const struct datastore *d = export_config(b->export)->datastore;

    *ret = (struct weir_datastore){
        .name = d->name,
        .folder = d->folder,
        .exchange = d->exchange,
        .latency_threshold = atomic_load_explicit(&d->latency_threshold, memory_order_relaxed),
    };
}

void *weir_own_stats(struct weir_below *b)
{
    return shards_of(b->shards, stats_cpu());
}

const void *weir_own_config(struct weir_below *b)
{
    return settings_config(atomic_load_explicit(&b->settings, memory_order_acquire));
}

struct weir_order {
    struct order *order;
    struct order_range range;
};

int weir_order_lock(struct weir_below *b, uint64_t offset, uint64_t length, struct weir_order **ret)
{
    struct worker *w = worker_self();
    struct weir_order *o = b->order && w ? malloc(sizeof *o) : NULL;

    if (!b->order)
        return -EINVAL;
    if (!o)
        return -ENOMEM;
    o->order = b->order;
    order_enter(o->order, &o->range, offset, length, w);
    *ret = o;
    return 0;
}

void weir_order_unlock(struct weir_order *o)
{
    order_leave(o->order, &o->range);
    free(o);
}

int weir_state_folder(struct weir_below *b)
{
    cleanup_free char *path = NULL, *folder = NULL;
    int known = atomic_load(&b->folder), none = -1;

    if (known >= 0)
        return known;
    folder = export_state_folder(b->export);
    if (!folder || asprintf(&path, "%s/%s", folder, b->label) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int r = make_folders(path, 0700);
    if (r)
        return r;
    cleanup_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* another thread of the filter's may have been quicker, and be using its own */
    return atomic_compare_exchange_strong(&b->folder, &none, fd) ? steal_fd(fd) : none;
}

static bool plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

int weir_state_save(struct weir_below *b, const char *name, const void *data, size_t size)
{
    int folder = weir_state_folder(b);

    if (!plain_name(name))
        return -EINVAL;
    return folder < 0 ? folder : save_file_at(folder, name, data, size, 0600);
}

int weir_state_load(struct weir_below *b, const char *name, void **data, size_t *size)
{
    int folder = weir_state_folder(b);

    if (!plain_name(name))
        return -EINVAL;
    return folder < 0 ? folder : load_file_at(folder, name, data, size);
}

int weir_state_remove(struct weir_below *b, const char *name)
{
    int folder = weir_state_folder(b);

    if (!plain_name(name))
        return -EINVAL;
    return folder < 0 ? folder : remove_file_at(folder, name);
}

WEIR_PRINTF(2, 0)
static void print_to(struct weir_text *text, const char *format, va_list arguments)
{
    cleanup_free char *line = NULL;

    if (vasprintf(&line, format, arguments) < 0)
        line = NULL;
    weir_print(text, "%s", line ? line : format);
}

void weir_report(struct weir_below *b, enum weir_severity severity, const char *format, ...)
{
    cleanup_text struct weir_text line = { 0 };
    va_list arguments;

    va_start(arguments, format);
    print_to(&line, format, arguments);
    va_end(arguments);
    event_post(severity, export_name(b->export), b->label, "%s", text_string(&line));
}

void weir_lock_export(struct weir_below *b, const char *format, ...)
{
    cleanup_text struct weir_text why = { 0 };
    va_list arguments;

    va_start(arguments, format);
    print_to(&why, format, arguments);
    va_end(arguments);
    place_lock(b, text_string(&why));
}

void weir_unlock_export(struct weir_below *b)
{
    place_unlock(b);
}
