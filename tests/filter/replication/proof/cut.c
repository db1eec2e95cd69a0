/* cut.c - do these bytes equal the disks at one moment of this history?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Let `last` be the moment when the last operation of the cut was sent.  Then all that were
 * acknowledged before `last` are in it, what was sent after it is not, and the others may be.  For
 * each possible `last` the order is searched from its end: the operation that came last must show
 * in all of its blocks; the one before it in all that the last has not covered, and so on.
 *   - To take an operation that may be taken is never wrong: it only covers blocks.
 *   - It may be taken if it shows in all blocks that nothing covers yet, and no operation that is
 *     still to be decided was sent after it had ended.  All that wait wait for the one that was
 * sent last; if that one does not show, nothing can help it any more (whatever could be taken to
 * cover it came before it), so it is not in the cut, or, if it must be, there is no cut with this
 *     `last`.
 * So no choice is ever taken back, and zeroes, of which nobody can say who wrote them, do no harm.
 *
 * An operation that may be torn is as many as it has blocks: they are `parts`. */
#include "cut.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger-block.h"
#include "scope.h"

struct part {
    uint32_t op;           /* index */
    uint64_t first, count; /* blocks, of all disks in a row */
    uint64_t hidden;       /* blocks in which it does not show and which nothing covers */
    bool must, decided, in;
};

struct search {
    const struct cut_question *question;
    const struct history *history;
    uint64_t blocks, base[HISTORY_DISKS + 1];
    uint32_t *seen;
    struct part *part; /* in the order in which they were sent */
    size_t parts;
    uint64_t *start; /* of each block's list of parts */
    uint32_t *touch; /* the lists */
    bool *covered;
    uint32_t *ready; /* a heap: what may be taken, the one that ended last on top */
    size_t readies;
    uint64_t least, most;                   /* bounds of `last` */
    uint64_t least_by, most_by, most_block; /* parts, and a block of the latter */
};

static const struct operation *operation(const struct search *s, size_t part)
{
    return &s->history->op[s->part[part].op];
}

static bool shows(const struct search *s, size_t part, uint64_t block)
{
    const uint32_t seen = s->seen[block];

    if (operation(s, part)->kind == KIND_WRITE)
        return seen == s->part[part].op + 1;
    return seen == SEEN_ZERO || seen == SEEN_CLEARED;
}

/* ---- words ---------------------------------------------------------------------------------- */

static void say_block(const struct search *s, uint64_t block, char out[160])
{
    const uint32_t seen = s->seen[block];
    unsigned disk = 0;

    while (block >= s->base[disk + 1])
        disk++;
    int n = snprintf(out, 160, "block %" PRIu64 " of disk %u (%.64s) ", block - s->base[disk], disk,
                     s->history->disk[disk].name);
    if (seen == SEEN_ZERO || seen == SEEN_CLEARED)
        snprintf(out + n, 160 - (size_t)n, "holds zeroes");
    else if (seen == SEEN_INITIAL)
        snprintf(out + n, 160 - (size_t)n, "is as in the beginning");
    else
        snprintf(out + n, 160 - (size_t)n, "holds operation %" PRIu32, seen);
}

static void say_operation(const struct search *s, size_t part, char out[200])
{
    const struct operation *op = operation(s, part);
    static const char *const names[] = { "write", "zero", "trim" };
    const char *name = names[op->kind == KIND_WRITE ? 0 : op->kind == KIND_ZERO ? 1 : 2];

    int n = snprintf(out, 200,
                     "operation %" PRIu32 " (%s of %" PRIu64 " blocks at %" PRIu64
                     " of disk %" PRIu32 ", sent at event %" PRIu64,
                     s->part[part].op + 1, name, op->length / LEDGER_BLOCK,
                     op->offset / LEDGER_BLOCK, op->disk, op->sent);
    if (op->acked == NEVER)
        snprintf(out + n, 200 - (size_t)n, ", never acknowledged)");
    else
        snprintf(out + n, 200 - (size_t)n, ", acknowledged at %" PRIu64 ")", op->acked);
}

/* ---- what is known before any search -----------------------------------------------------------
 */

static bool is_torn(const struct search *s, const struct operation *op)
{
    return op->acked == NEVER && (op->torn || s->question->torn);
}

static bool make_parts(struct search *s)
{
    const struct history *h = s->history;
    size_t count = 0;

    for (size_t i = 0; i < h->ops; i++)
        count += is_torn(s, &h->op[i]) ? h->op[i].length / LEDGER_BLOCK : 1;
    s->part = calloc(count + 1, sizeof *s->part);
    s->ready = calloc(count + 1, sizeof *s->ready);
    if (!s->part || !s->ready)
        return false;
    for (uint32_t i = 0; i < h->ops; i++) {
        const struct operation *op = &h->op[i];
        uint64_t first = s->base[op->disk] + op->offset / LEDGER_BLOCK,
                 blocks = op->length / LEDGER_BLOCK, step = is_torn(s, op) ? 1 : blocks;
        for (uint64_t b = 0; b < blocks; b += step)
            s->part[s->parts++] = (struct part){ .op = i, .first = first + b, .count = step };
    }
    return true;
}

static bool make_lists(struct search *s)
{
    s->start = calloc(s->blocks + 2, sizeof *s->start);
    s->covered = calloc(s->blocks + 1, sizeof *s->covered);
    if (!s->start || !s->covered)
        return false;
    uint64_t *next = s->start + 1; /* moves on to where the next block's begins */
    for (size_t p = 0; p < s->parts; p++)
        for (uint64_t b = 0; b < s->part[p].count; b++)
            next[s->part[p].first + b]++;
    uint64_t sum = 0;
    for (uint64_t b = 0; b < s->blocks; b++) {
        uint64_t count = next[b];
        next[b] = sum;
        sum += count;
    }
    s->touch = calloc(sum + 1, sizeof *s->touch);
    if (!s->touch)
        return false;
    for (size_t p = 0; p < s->parts; p++)
        for (uint64_t b = 0; b < s->part[p].count; b++)
            s->touch[next[s->part[p].first + b]++] = (uint32_t)p;
    return true;
}

static bool is_demanded(const struct search *s, const struct operation *op)
{
    switch (s->question->demand) {
    case DEMAND_ACKED:
        return op->acked != NEVER && op->acked <= s->question->by;
    case DEMAND_HARDENED:
        return op->hardened != NEVER && op->hardened <= s->question->by;
    default:
        return false;
    }
}

/* Which parts must be in whatever the cut is; false: bytes that nobody wrote there. */
static bool find_visible(struct search *s, char why[1024])
{
    for (uint64_t b = 0; b < s->blocks; b++) {
        bool found =
            s->seen[b] == SEEN_ZERO || s->seen[b] == SEEN_CLEARED || s->seen[b] == SEEN_INITIAL;
        for (uint64_t i = s->start[b]; i < s->start[b + 1] && !found; i++) {
            struct part *part = &s->part[s->touch[i]];
            found = shows(s, s->touch[i], b);
            part->must |= found;
        }
        if (!found) {
            char block[160];
            say_block(s, b, block);
            snprintf(why, 1024, "%s, which never wrote there", block);
            return false;
        }
    }
    for (size_t p = 0; p < s->parts; p++) {
        s->part[p].must |= is_demanded(s, operation(s, p));
        if (s->part[p].must && operation(s, p)->sent > s->least) {
            s->least = operation(s, p)->sent;
            s->least_by = p;
        }
    }
    return true;
}

/* What does not show in a block, nor can be covered there, is not in the cut. */
static void find_bounds(struct search *s)
{
    s->most = NEVER;
    for (uint64_t b = 0; b < s->blocks; b++) {
        uint64_t latest = 0; /* until when something that shows here may have been done */
        for (uint64_t i = s->start[b]; i < s->start[b + 1]; i++)
            if (shows(s, s->touch[i], b) && operation(s, s->touch[i])->ended > latest)
                latest = operation(s, s->touch[i])->ended;
        for (uint64_t i = s->start[b]; i < s->start[b + 1]; i++) {
            const struct operation *op = operation(s, s->touch[i]);
            if (op->acked < s->most && !shows(s, s->touch[i], b) && op->sent > latest) {
                s->most = op->acked;
                s->most_by = s->touch[i];
                s->most_block = b;
            }
        }
    }
}

static void say_bounds(const struct search *s, char why[1024])
{
    char block[160], without[200], with[200];

    say_block(s, s->most_block, block);
    say_operation(s, s->most_by, without);
    say_operation(s, s->least_by, with);
    snprintf(why, 1024, "%s, so that it is without %s; yet %s %s, which was sent later", block,
             without, s->question->demand ? "it must have, or shows," : "it shows", with);
}

/* ---- one search
 * ---------------------------------------------------------------------------------- */

static bool ended_earlier(const struct search *s, size_t a, size_t b)
{
    return operation(s, s->ready[a])->ended < operation(s, s->ready[b])->ended;
}

static void swap(struct search *s, size_t a, size_t b)
{
    uint32_t other = s->ready[a];

    s->ready[a] = s->ready[b];
    s->ready[b] = other;
}

static void push(struct search *s, uint32_t part)
{
    size_t at = s->readies++;

    s->ready[at] = part;
    for (; at && ended_earlier(s, (at - 1) / 2, at); at = (at - 1) / 2)
        swap(s, at, (at - 1) / 2);
}

static uint32_t pop(struct search *s)
{
    uint32_t top = s->ready[0];

    s->ready[0] = s->ready[--s->readies];
    for (size_t at = 0;;) {
        size_t below = 2 * at + 1;
        if (below + 1 < s->readies && ended_earlier(s, below, below + 1))
            below++;
        if (below >= s->readies || !ended_earlier(s, at, below))
            return top;
        swap(s, at, below);
        at = below;
    }
}

/* Returns how many parts may be in a cut that ends at `last`. */
static size_t begin(struct search *s, uint64_t last)
{
    size_t count = 0;

    memset(s->covered, 0, s->blocks);
    s->readies = 0;
    for (size_t p = 0; p < s->parts; p++) {
        struct part *part = &s->part[p];
        part->in = false;
        part->decided = operation(s, p)->sent > last || !part->count;
        part->hidden = 0;
        if (operation(s, p)->sent > last)
            continue;
        count = p + 1;
        for (uint64_t b = 0; b < part->count; b++)
            part->hidden += !shows(s, p, part->first + b);
        if (!part->hidden && part->count)
            push(s, (uint32_t)p);
    }
    return count;
}

static void take(struct search *s, size_t p)
{
    struct part *part = &s->part[p];

    part->in = part->decided = true;
    for (uint64_t b = part->first; b < part->first + part->count; b++) {
        if (s->covered[b])
            continue;
        s->covered[b] = true;
        for (uint64_t i = s->start[b]; i < s->start[b + 1]; i++) {
            struct part *other = &s->part[s->touch[i]];
            if (!other->decided && !shows(s, s->touch[i], b) && --other->hidden == 0)
                push(s, s->touch[i]);
        }
    }
}

static void say_stuck(const struct search *s, size_t p, char why[1024])
{
    char block[160], hidden[200];
    uint64_t b = s->part[p].first;

    while (s->covered[b] || shows(s, p, b))
        b++;
    say_block(s, b, block);
    say_operation(s, p, hidden);
    snprintf(why, 1024,
             "%s, where nothing that can have come later hides %s, which must be there because of "
             "what else is",
             block, hidden);
}

static bool search(struct search *s, uint64_t last, char why[1024])
{
    size_t count = begin(s, last);

    for (;;) {
        while (count && s->part[count - 1].decided)
            count--;
        if (!count)
            break;
        const struct operation *newest = operation(s, count - 1);
        if (s->readies && operation(s, s->ready[0])->ended > newest->sent)
            take(s, pop(s));
        else if (s->part[count - 1].must || newest->acked < last) {
            say_stuck(s, count - 1, why);
            return false;
        } else
            s->part[count - 1].decided = true;
    }
    for (uint64_t b = 0; b < s->blocks; b++)
        if (s->seen[b] == SEEN_CLEARED && !s->covered[b]) {
            char block[160];
            say_block(s, b, block);
            snprintf(why, 1024, "%s, and nothing that can be there cleared it", block);
            return false;
        }
    return true;
}

/* ---- the answer
 * -------------------------------------------------------------------------------------- */

static void report(const struct search *s, struct cut *cut)
{
    const struct history *h = s->history;
    uint64_t last = 0;

    cut->legal = true;
    for (size_t p = 0; p < s->parts; p++)
        if (s->part[p].in) {
            cut->in[s->part[p].op] = true;
            if (operation(s, p)->sent > last)
                last = operation(s, p)->sent;
        }
    for (size_t i = 0; i < h->ops; i++) {
        if (h->op[i].kind == KIND_FLUSH)
            cut->in[i] = h->op[i].acked < last;
        cut->count += cut->in[i];
    }
}

/* Tries every end from the last on, so that the cut that has the most is found. */
static void judge(struct search *s, struct cut *cut)
{
    char other[1024];

    if (!find_visible(s, cut->why))
        return;
    find_bounds(s);
    if (s->most < s->least) {
        say_bounds(s, cut->why);
        return;
    }
    for (size_t p = s->parts; p-- > 0;) {
        uint64_t last = operation(s, p)->sent;
        if (last <= s->least || last >= s->most || (p && operation(s, p - 1)->sent == last))
            continue;
        if (search(s, last, other)) {
            report(s, cut);
            return;
        }
    }
    if (search(s, s->least, cut->why))
        report(s, cut);
}

static bool make_seen(struct search *s)
{
    const struct history *h = s->history;

    for (unsigned i = 0; i < h->disks; i++)
        s->base[i + 1] = s->base[i] + h->disk[i].size / LEDGER_BLOCK;
    s->blocks = s->base[h->disks];
    s->seen = calloc(s->blocks + 1, sizeof *s->seen);
    for (unsigned i = 0; s->seen && i < h->disks; i++)
        memcpy(s->seen + s->base[i], s->question->seen[i],
               (s->base[i + 1] - s->base[i]) * sizeof *s->seen);
    return s->seen;
}

int cut_judge(const struct cut_question *question, struct cut *cut)
{
    struct search s = { .question = question, .history = question->history };

    *cut = (struct cut){ .in = calloc(question->history->ops + 1, sizeof *cut->in) };
    bool made = cut->in && make_seen(&s) && make_parts(&s) && make_lists(&s);
    if (made)
        judge(&s, cut);
    free(s.seen);
    free(s.part);
    free(s.ready);
    free(s.start);
    free(s.touch);
    free(s.covered);
    return made ? 0 : -ENOMEM;
}
