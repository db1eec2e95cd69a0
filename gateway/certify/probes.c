/* probes.c - what do the filters above and below the one that is judged see of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct library *probe_above(void), *probe_below(void);

struct probe above, below;

struct place {
    struct weir_below *below;
};

/* Of one request, from down() to up(). */
struct seen {
    struct weir_request was;
    uint64_t hash;
};

static void WEIR_PRINTF(2, 3) broken(struct probe *p, const char *format, ...)
{
    va_list args;

    if (atomic_exchange(&p->wrong, true))
        return;
    va_start(args, format);
    vsnprintf(p->what, sizeof(p->what), format, args);
    va_end(args);
}

static uint64_t hash(const struct weir_request *req)
{
    uint64_t h = 0xcbf29ce484222325u, word;
    const char *bytes = req->data;

    for (uint64_t i = 0; req->op == WEIR_WRITE && i < req->length; i += sizeof(word)) {
        word = 0;
        memcpy(&word, bytes + i, req->length - i < sizeof(word) ? req->length - i : sizeof(word));
        h = (h ^ word) * 0x100000001b3u;
    }
    return h;
}

static bool each(const atomic_uint *of, uint64_t n)
{
    unsigned every = atomic_load(of);

    return every && n % every == 0;
}

static enum weir_verdict above_down(void *self, struct weir_request *req)
{
    struct seen *seen = weir_scratch(req);
    uint64_t n = atomic_fetch_add(&above.down, 1);

    (void)self;
    if (each(&above.fail_down, n)) {
        atomic_fetch_add(&above.up, 1);
        return weir_fail(req, EPERM);
    }
    seen->was = *req;
    seen->hash = hash(req);
    return WEIR_PASS;
}

static enum weir_verdict above_up(void *self, struct weir_request *req)
{
    const struct seen *seen = weir_scratch(req);
    uint64_t n = atomic_fetch_add(&above.up, 1);

    (void)self;
    if (req->offset != seen->was.offset || req->length != seen->was.length ||
        req->flags != seen->was.flags || req->data != seen->was.data || req->op != seen->was.op)
        broken(&above, "a request came back up with other fields than it went down with");
    else if (hash(req) != seen->hash)
        broken(&above,
               "the client's buffer of a write of %" PRIu64 " bytes at %" PRIu64
               " was modified: take weir_bounce()",
               req->length, req->offset);
    if (!nbd_carries(req->error))
        atomic_store(&above.alien, req->error);
    return each(&above.fail_up, n) ? weir_fail(req, ENOMEM) : WEIR_PASS;
}

/* ---- below ------------------------------------------------------------------------ */

static bool is_client(const struct weir_request *req)
{
    return !(req->flags & WEIR_DERIVED);
}

static void judge_range(struct place *p, const struct weir_request *req)
{
    struct weir_geometry g;

    weir_geometry(p->below, &g);
    if (req->op == WEIR_FLUSH)
        return;
    if (req->offset > g.size || req->length > g.size - req->offset)
        broken(&below,
               "a request for %" PRIu64 " bytes at %" PRIu64
               " went below, where the disk has %" PRIu64,
               req->length, req->offset, g.size);
    else if ((req->offset | req->length) & (g.block_min - 1))
        broken(&below,
               "a request for %" PRIu64 " bytes at %" PRIu64 " went below, where blocks have %u",
               req->length, req->offset, g.block_min);
    else if (req->length > g.block_max && req->op != WEIR_EXTENTS &&
             (req->op == WEIR_READ || req->op == WEIR_WRITE))
        broken(&below, "a request for %" PRIu64 " bytes went below, where %u are the most",
               req->length, g.block_max);
}

static enum weir_verdict below_down(void *self, struct weir_request *req)
{
    struct seen *seen = weir_scratch(req);

    judge_range(self, req);
    seen->was = *req;
    if (is_client(req))
        atomic_fetch_add(&below.down, 1);
    return WEIR_PASS;
}

static enum weir_verdict below_up(void *self, struct weir_request *req)
{
    const struct seen *seen = weir_scratch(req);

    (void)self;
    (void)seen;
    if (is_client(req))
        atomic_fetch_add(&below.up, 1);
    return WEIR_PASS;
}

/* ---- as filters --------------------------------------------------------------------- */

static int attach(void *self, struct weir_below *b, const void *config, struct weir_text *why)
{
    struct place *p = self;

    (void)config;
    (void)why;
    p->below = b;
    return 0;
}

static const struct weir_option no_options[] = { { 0 } };

static struct library make(const char *name,
                           enum weir_verdict (*down)(void *, struct weir_request *),
                           enum weir_verdict (*up)(void *, struct weir_request *))
{
    return (struct library){
        .path = "(kit)",
        .users = 1u << 20, /* more than a check gives back: the loader never closes it */
        .filter = { WEIR_FILTER_HEADER, .name = name, .version = "1",
                    .summary = "Looks at what the filter does.", .klass = WEIR_CLASS_NONE,
                    .ops = WEIR_ALL_OPS, .self_size = sizeof(struct place),
                    .request_size = sizeof(struct seen), .config_size = 8, .options = no_options,
                    .attach = attach, .down = down, .up = up },
    };
}

struct library *probe_above(void)
{
    static struct library probe; /* made once by the thread that opens the first chain */

    if (!probe.path)
        probe = make("probe_above", above_down, above_up);
    return &probe;
}

struct library *probe_below(void)
{
    static struct library probe; /* likewise */

    if (!probe.path)
        probe = make("probe_below", below_down, below_up);
    return &probe;
}
