/* store-changes.c - how does a client read of a disk only what changed?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The store of BASE@changes:ID (dynamic.h): what it reads comes through BASE as BASE's own clients
 * see it, and its extents say which ranges BASE's filter of class replication prints for its verb
 * "changes ID".  All else is a hole whose contents nobody promises, and never one that reads as
 * zeroes: a client that copies it has copied too much and nothing wrong.  What changed is no hole,
 * even where it reads as zeroes: so a client that looks at holes alone misses nothing.  The ranges
 * are those of the moment when it was opened; BASE goes on. */
#include "stores.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "export.h"
#include "scope.h"
#include "text.h"

struct range {
    uint64_t from, to;
};

struct changes_store {
    struct export *base;  /* the export's own, there until close() */
    struct range *ranges; /* ascending, none touches the next */
    size_t count;
};

/* ---- the filter's answer ----------------------------------------------------- */

static int read_number(const char **at, uint64_t *ret)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    errno = 0;
    *ret = strtoull(*at, &end, 10);
    *at = end;
    return errno ? -EINVAL : 0;
}

/* "OFFSET LENGTH\n" */
static int read_range(const char **at, struct range *ret)
{
    uint64_t length;

    if (read_number(at, &ret->from) || *(*at)++ != ' ' || read_number(at, &length) ||
        (**at && *(*at)++ != '\n') || !length || length > UINT64_MAX - ret->from)
        return -EINVAL;
    ret->to = ret->from + length;
    return 0;
}

/* Room for each is there. */
static int add_range(struct changes_store *c, const struct range *r)
{
    struct range *last = c->count ? &c->ranges[c->count - 1] : NULL;

    if (last && r->from < last->to)
        return -EINVAL;
    if (last && r->from == last->to)
        last->to = r->to;
    else
        c->ranges[c->count++] = *r;
    return 0;
}

static int read_answer(struct changes_store *c, const char *text)
{
    size_t lines = 1;
    struct range range;

    for (const char *t = text; *t; t++)
        lines += *t == '\n';
    c->ranges = calloc(lines, sizeof *c->ranges);
    if (!c->ranges)
        return -ENOMEM;
    while (*text)
        if (read_range(&text, &range) || add_range(c, &range))
            return -EINVAL;
    return 0;
}

/* The label of BASE's filter of class replication; the caller frees. */
static int find_filter(struct export *base, char **label)
{
    struct export_view v;
    int r = export_view(base, &v);

    if (r)
        return r;
    r = -ENOENT;
    for (size_t i = 0; i < v.count && r == -ENOENT; i++)
        if (v.filter[i].filter->klass == WEIR_CLASS_REPLICATION) {
            *label = strdup(v.filter[i].label);
            r = *label ? 0 : -ENOMEM;
        }
    export_view_finish(&v);
    return r;
}

static int ask(struct changes_store *c, const char *id, struct weir_text *why)
{
    cleanup_text struct weir_text answer = { 0 };
    cleanup_free char *label = NULL;
    int r = find_filter(c->base, &label);

    if (r) {
        weir_print(why, "the policy of \"%s\" has no filter of class replication any more",
                   export_name(c->base));
        return r;
    }
    r = export_run_verb(c->base, label, "changes", id, &answer);
    if (r) {
        weir_print(why, "%s", text_string(&answer));
        return r;
    }
    r = answer.cut ? -ENOMEM : read_answer(c, text_string(&answer));
    if (r == -EINVAL)
        weir_print(why,
                   "the filter %s of \"%s\" does not answer \"changes\" with lines \"OFFSET "
                   "LENGTH\" that ascend: report it to its author",
                   label, export_name(c->base));
    return r;
}

/* ---- the store --------------------------------------------------------------- */

static int changes_open(void *self, const struct store_image *image, const void *config,
                        struct weir_text *why)
{
    struct changes_store *c = self;

    (void)config;
    c->base = image->base;
    int r = ask(c, image->image, why);
    if (r)
        free(c->ranges);
    return r;
}

static void changes_close(void *self)
{
    struct changes_store *c = self;

    free(c->ranges);
}

static void changes_geometry(void *self, struct weir_geometry *g)
{
    const struct changes_store *c = self;

    export_geometry(c->base, g);
    g->ops = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_FLUSH) | WEIR_OP(WEIR_EXTENTS) |
             (g->ops & WEIR_OP(WEIR_PREFETCH));
}

/* ---- extents ----------------------------------------------------------------- */

/* The first range that ends behind `offset`. */
static size_t range_behind(const struct changes_store *c, uint64_t offset)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->ranges[middle].to > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* What BASE says of [from, to), which changed; what it does not say, or does not know, is data.
 * `found` is empty. */
static int add_changed(const struct changes_store *c, struct weir_extents *found, uint64_t from,
                       uint64_t to, uint32_t flags, struct weir_extents *ret)
{
    struct weir_request io = {
        .op = WEIR_EXTENTS, .flags = flags, .offset = from, .length = to - from, .data = found
    };
    uint64_t offset, length;
    uint32_t type;
    int r = -export_serve(c->base, &io);

    for (size_t i = 0; !r && !weir_get_extent(found, i, &offset, &length, &type); i++) {
        uint64_t end = offset + length < to ? offset + length : to;
        if (end <= from)
            continue;
        r = weir_add_extent(ret, from, end - from, type & WEIR_READS_ZERO ? WEIR_READS_ZERO : 0);
        from = end;
        if (flags & WEIR_ONE_EXTENT)
            return r;
    }
    return r ? r : weir_add_extent(ret, from, to - from, 0);
}

static int add_next(const struct changes_store *c, struct weir_extents *found,
                    const struct weir_request *req, uint64_t *at)
{
    const uint64_t end = req->offset + req->length, from = *at;
    const size_t i = range_behind(c, from);
    const struct range *next = i < c->count ? &c->ranges[i] : NULL;
    const bool changed = next && next->from <= from;

    *at = !next ? end : changed ? next->to : next->from;
    if (*at > end)
        *at = end;
    if (!changed)
        return weir_add_extent(req->data, from, *at - from, WEIR_HOLE);
    weir_clear_extents(found);
    return add_changed(c, found, from, *at, req->flags, req->data);
}

static int changes_extents(const struct changes_store *c, const struct weir_request *req)
{
    struct weir_extents *found = weir_extents_create();
    uint64_t at = req->offset;
    int r = found ? 0 : -ENOMEM;

    while (!r && at < req->offset + req->length) {
        r = add_next(c, found, req, &at);
        if (req->flags & WEIR_ONE_EXTENT)
            break;
    }
    weir_extents_destroy(found);
    return r;
}

static int changes_serve(void *self, struct weir_request *req)
{
    const struct changes_store *c = self;
    struct weir_request io = {
        .op = req->op, .offset = req->offset, .length = req->length, .data = req->data
    };

    switch (req->op) {
    case WEIR_READ:
    case WEIR_PREFETCH:
        return -export_serve(c->base, &io);
    case WEIR_EXTENTS:
        return changes_extents(c, req);
    case WEIR_FLUSH:
        return 0;
    default: /* it is read-only */
        return -EPERM;
    }
}

static const struct weir_option no_options[] = { { 0 } };

const struct store_type store_changes = {
    .name = "changes",
    .summary = "What changed on another export, as extents.",
    .self_size = sizeof(struct changes_store),
    .options = no_options,
    .open = changes_open,
    .geometry = changes_geometry,
    .serve = changes_serve,
    .close = changes_close,
};
