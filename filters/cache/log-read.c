/* log-read.c - what is in force in the log after a crash?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * First a look at the first page of every segment, by several threads: which are there, and up to
 * which record all was durable.  Then through the segments in order: by the summary where all that
 * it tells of was durable, else record by record.
 *
 * What lies there and is not in force: records that an earlier recovery found behind a hole.  They
 * are of an incarnation that is lower than one before them, or their sequence numbers were given
 * again (seen.limit), or super says so (allowed()). */
#include "log.h"

#include "media.h"
#include "record.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, BATCH = 64 };

/* What the first head of a segment says. */
struct seen {
    uint64_t sequence, durable_sequence, durable_epoch, epoch;
    uint64_t limit; /* the next segment's sequence: no record here has that or more */
    uint32_t incarnation;
    bool valid, unread;
};

struct reading {
    struct media *media;
    const struct super *super;
    const struct log_reader *reader;
    struct seen *seen;
    size_t segments; /* in the ring, from the tail on */
    size_t used;     /* of them, that may have records */

    uint64_t durable_sequence, durable_epoch;
    uint64_t next;        /* sequence that is to come; 0: not known */
    uint32_t incarnation; /* of the last record */
    uint64_t epoch;       /* the youngest that was seen */
    uint64_t end;         /* behind the last record */
    bool ended;

    uint8_t *whole;             /* a segment */
    bool unread[SEGMENT_PAGES]; /* its pages that the medium does not give */
};

/* ---- several at once --------------------------------------------------------------------------
 */

struct crowd {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t count;
    atomic_size_t next;
};

static void *work(void *arg)
{
    struct crowd *c = arg;

    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->count;)
        c->job(c->arg, i);
    return NULL;
}

static void in_parallel(size_t count, void (*job)(void *arg, size_t i), void *arg)
{
    struct crowd c = { .job = job, .arg = arg, .count = count };
    pthread_t thread[THREADS];
    size_t n = 0;

    while (n < THREADS && n + 1 < count && !pthread_create(&thread[n], NULL, work, &c))
        n++;
    work(&c);
    while (n)
        pthread_join(thread[--n], NULL);
}

/* ---- what may be believed ----------------------------------------------------------------------
 */

static bool allowed(const struct super *s, const struct record *r)
{
    if (r->incarnation > s->incarnation)
        return false;
    if (r->position < s->begin)
        return r->incarnation < s->began && r->sequence < s->begin_sequence;
    return r->incarnation >= s->began && r->sequence >= s->begin_sequence;
}

/* Not by its epoch: of the epoch in which a recovery has ended, a part was left behind. */
static bool is_durable(const struct reading *g, const struct record *r)
{
    return r->sequence <= g->durable_sequence;
}

static void learn(struct reading *g, uint64_t epoch, uint64_t durable_epoch,
                  uint64_t durable_sequence)
{
    if (epoch > g->epoch)
        g->epoch = epoch;
    if (durable_epoch > g->durable_epoch)
        g->durable_epoch = durable_epoch;
    if (durable_sequence > g->durable_sequence)
        g->durable_sequence = durable_sequence;
}

/* ---- the survey ---------------------------------------------------------------------------------
 */

static uint64_t position_of(const struct reading *g, size_t segment)
{
    return g->super->tail + segment * SEGMENT_PAGES;
}

static void survey_one(void *arg, size_t i)
{
    struct reading *g = arg;
    struct seen *seen = &g->seen[i];
    const uint64_t position = position_of(g, i);
    uint8_t page[BLOCK];
    struct record r;

    seen->unread = media_read(g->media, page, BLOCK, page_offset(g->super, position)) != 0;
    if (seen->unread || !record_get(page, g->super, position, &r) || !allowed(g->super, &r))
        return;
    *seen = (struct seen){
        .sequence = r.sequence,
        .durable_sequence = r.durable_sequence,
        .durable_epoch = r.durable_epoch,
        .epoch = r.epoch,
        .incarnation = r.incarnation,
        .valid = true,
    };
}

/* Reads a segment; what the medium does not give is zero. */
static void read_whole(struct reading *g, size_t segment)
{
    const uint64_t from = page_offset(g->super, position_of(g, segment));

    memset(g->unread, 0, sizeof(g->unread));
    if (!media_read(g->media, g->whole, (size_t)SEGMENT_PAGES * BLOCK, from))
        return;
    for (size_t i = 0; i < SEGMENT_PAGES; i++) {
        g->unread[i] = media_read(g->media, g->whole + i * BLOCK, BLOCK, from + i * BLOCK) != 0;
        if (g->unread[i])
            memset(g->whole + i * BLOCK, 0, BLOCK);
    }
}

static bool head_at(const struct reading *g, size_t segment, unsigned page, struct record *r)
{
    return record_get(g->whole + (size_t)page * BLOCK, g->super, position_of(g, segment) + page,
                      r) &&
           allowed(g->super, r);
}

/* The youngest heads know best what was durable: those of the last segments. */
static void survey_last(struct reading *g, size_t segment)
{
    struct record r;

    read_whole(g, segment);
    for (unsigned page = 0; page < SEGMENT_PAGES; page++)
        if (head_at(g, segment, page, &r) && r.incarnation >= g->incarnation)
            learn(g, r.epoch, r.durable_epoch, r.durable_sequence);
}

static void survey(struct reading *g)
{
    uint64_t limit = UINT64_MAX;

    in_parallel(g->segments, survey_one, g);
    for (size_t i = 0; i < g->segments; i++) {
        struct seen *seen = &g->seen[i];
        if (!seen->valid)
            continue;
        learn(g, seen->epoch, 0, 0);
        if (seen->incarnation < g->incarnation) { /* left behind by an earlier recovery */
            seen->valid = false;
            continue;
        }
        g->incarnation = seen->incarnation;
        learn(g, 0, seen->durable_epoch, seen->durable_sequence);
        g->used = i + 1;
    }
    for (size_t i = g->used ? g->used - 1 : 0; i <= g->used && i < g->segments; i++)
        survey_last(g, i);
    if (g->used < g->segments)
        g->used++; /* its first head may be bad */
    for (size_t i = g->segments; i-- > 0;) {
        g->seen[i].limit = limit;
        if (g->seen[i].valid)
            limit = g->seen[i].sequence;
    }
    g->incarnation = 0;
}

/* ---- in order
 * ------------------------------------------------------------------------------------ */

static int tell(struct reading *g, const struct record *r, const struct log_entry *entry)
{
    uint64_t end = r->position + 1;
    int error = 0;

    for (unsigned i = 0; !error && i < r->count; i++) {
        end += entry_has_page(entry[i].type);
        error = g->reader->entry(g->reader->arg, &entry[i], r->position, r->epoch);
    }
    g->next = r->sequence + 1;
    g->incarnation = r->incarnation;
    g->end = end;
    if (r->epoch > g->epoch)
        g->epoch = r->epoch;
    return error;
}

static int say(struct reading *g, uint64_t position, const char *what)
{
    char why[160];

    snprintf(why, sizeof(why), "%s at page %llu of the log (position %llu)", what,
             (unsigned long long)(position % g->super->log_pages), (unsigned long long)position);
    return g->reader->damage ? g->reader->damage(g->reader->arg, position, why) : 0;
}

/* The next record that can be read is `sequence`, not what should follow `position`. */
static int gap(struct reading *g, uint64_t position, uint64_t sequence)
{
    const uint64_t missing = g->next ? g->next : sequence - 1;

    if (missing > g->durable_sequence) {
        g->ended = true;
        return 0;
    }
    return say(g, position, "records that were durable are bad");
}

/* Are the blocks of a record there that the store does not have? */
static bool has_blocks(const struct reading *g, const struct record *r,
                       const struct log_entry *entry, unsigned page, bool *unread)
{
    for (unsigned i = 0; i < r->count; i++) {
        const struct log_entry *e = &entry[i];
        if (!entry_has_page(e->type))
            continue;
        page++;
        if (e->type != ENTRY_DIRTY && e->type != ENTRY_OVER)
            continue;
        *unread = g->unread[page];
        if (*unread || block_crc(e->key, g->whole + (size_t)page * BLOCK) != e->crc)
            return false;
    }
    return true;
}

/* One record, which follows or is known to be behind damage. */
static int take(struct reading *g, const struct record *r, unsigned *page)
{
    struct log_entry entry[RECORD_ENTRIES];
    const uint8_t *head = g->whole + (size_t)*page * BLOCK;
    bool unread = false;

    record_get_entries(head, g->super, r, entry);
    if (!is_durable(g, r) && !has_blocks(g, r, entry, *page, &unread)) {
        g->ended = true;
        return unread ? say(g, r->position, "a record cannot be read") : 0;
    }
    *page += record_pages(head, r);
    return tell(g, r, entry);
}

static int by_records(struct reading *g, size_t segment)
{
    const uint64_t limit = g->seen[segment].limit;
    unsigned expected = 0;
    struct record r;
    int error = 0;

    read_whole(g, segment);
    for (unsigned page = 0; !error && !g->ended && page < SEGMENT_PAGES;) {
        if (page == expected && g->unread[page] && (!g->next || g->next > g->durable_sequence))
            error = say(g, position_of(g, segment) + page, "a record cannot be read");
        if (!head_at(g, segment, page, &r) || r.sequence >= limit ||
            r.incarnation < g->incarnation || r.sequence < g->next ||
            (r.sequence == g->next && page != expected)) {
            page++;
            continue;
        }
        if (g->next ? r.sequence > g->next : segment || page)
            error = gap(g, position_of(g, segment) + expected, r.sequence);
        if (!error && !g->ended)
            error = take(g, &r, &page);
        expected = page;
    }
    return error;
}

/* Was all that it tells of durable, and is it what the chain goes on with? */
static bool trusts(const struct reading *g, size_t segment, const struct summary *s)
{
    const struct seen *seen = &g->seen[segment];
    const uint64_t last = s->sequence + s->records - 1;
    const struct record first = {
        .position = s->segment,
        .sequence = s->sequence,
        .incarnation = s->incarnation,
    };

    if (seen->valid && (seen->sequence != s->sequence || seen->incarnation != s->incarnation))
        return false;
    if (!allowed(g->super, &first) || s->incarnation < g->incarnation || s->sequence < g->next ||
        last >= seen->limit || last > g->durable_sequence)
        return false;
    return s->segment >= g->super->begin || last < g->super->begin_sequence;
}

static int by_summary(struct reading *g, size_t segment, const struct summary *s)
{
    struct log_entry entry[RECORD_ENTRIES];
    struct record r;
    unsigned at = 0;
    int error = 0;

    if (g->next ? s->sequence > g->next : segment != 0)
        error = gap(g, s->segment, s->sequence);
    while (!error && !g->ended && summary_next(s, g->super, &at, &r, entry))
        error = tell(g, &r, entry);
    return error;
}

/* ---- the way through
 * ------------------------------------------------------------------------------ */

struct batch {
    struct reading *reading;
    size_t first;
    struct item {
        bool valid;
        struct summary summary;
        uint8_t page[SUMMARY_PAGES * BLOCK];
    } item[BATCH];
};

static void load_summary(void *arg, size_t i)
{
    struct batch *b = arg;
    struct item *item = &b->item[i];
    const struct reading *g = b->reading;
    const uint64_t segment = position_of(g, b->first + i);
    const uint64_t end = page_offset(g->super, segment) + (uint64_t)SEGMENT_PAGES * BLOCK;
    uint8_t *last = item->page + (size_t)(SUMMARY_PAGES - 1) * BLOCK;

    item->valid = false;
    if (media_read(g->media, last, BLOCK, end - BLOCK))
        return;
    const size_t rest = summary_length(last, g->super, segment);
    if (!rest || (rest > 1 && media_read(g->media, last - (rest - 1) * BLOCK, (rest - 1) * BLOCK,
                                         end - rest * BLOCK)))
        return;
    item->valid = summary_get(item->page, g->super, segment, &item->summary);
}

static int read_segment(struct reading *g, size_t segment, const struct item *item)
{
    const struct seen *seen = &g->seen[segment];

    if (item->valid && trusts(g, segment, &item->summary))
        return by_summary(g, segment, &item->summary);
    if (!seen->valid && !seen->unread && g->next > g->durable_sequence) {
        g->ended = true; /* nothing begins here, and nothing is missed */
        return 0;
    }
    return by_records(g, segment);
}

static int read_all(struct reading *g)
{
    struct batch *b = malloc(sizeof(*b));
    int r = b ? 0 : -ENOMEM;

    for (size_t first = 0; !r && !g->ended && first < g->used; first += BATCH) {
        const size_t n = g->used - first < BATCH ? g->used - first : BATCH;
        b->reading = g;
        b->first = first;
        in_parallel(n, load_summary, b);
        for (size_t i = 0; !r && !g->ended && i < n; i++)
            r = read_segment(g, first + i, &b->item[i]);
    }
    free(b);
    if (!r && (g->next ? g->next <= g->durable_sequence : g->super->tail < g->super->begin))
        r = say(g, g->end, "the last records that were durable are bad");
    return r;
}

int log_read(struct media *m, const struct super *s, const struct log_reader *reader,
             struct log_place *end)
{
    struct reading g = {
        .media = m,
        .super = s,
        .reader = reader,
        .segments = s->log_pages / SEGMENT_PAGES,
        .durable_sequence = s->begin_sequence - 1,
        .durable_epoch = s->durable_epoch,
        .epoch = s->durable_epoch,
        .next = s->tail == s->begin ? s->begin_sequence : 0,
        .end = s->tail,
    };

    g.seen = calloc(g.segments, sizeof(*g.seen));
    g.whole = aligned_alloc(BLOCK, (size_t)SEGMENT_PAGES * BLOCK);
    int r = g.seen && g.whole ? 0 : -ENOMEM;
    if (!r) {
        survey(&g);
        r = read_all(&g);
    }
    if (!r && s->durable_head > s->begin && g.end < s->durable_head)
        r = say(&g, g.end, "records that were durable are not there, from here on,");
    free(g.seen);
    free(g.whole);
    if (r)
        return r;
    *end = (struct log_place){
        .tail = s->tail,
        .head = segment_of(g.end + SEGMENT_PAGES - 1),
        .epoch = (g.epoch > g.durable_epoch ? g.epoch : g.durable_epoch) + 1,
        .durable_epoch = g.durable_epoch,
        .sequence = g.next > g.durable_sequence ? g.next : g.durable_sequence + 1,
    };
    return 0;
}
