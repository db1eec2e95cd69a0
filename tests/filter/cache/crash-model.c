/* crash-model.c - what may a guest find after a crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash-model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = SECTOR / 8 };

static void *must(void *allocated)
{
    if (!allocated)
        abort();
    return allocated;
}

/* ---- stamps ------------------------------------------------------------------------- */

/* Word 0 has all; the others follow from it, so that a sector of two halves is noticed. */
static uint64_t word(unsigned disk, uint32_t sector, uint32_t version, unsigned i)
{
    const uint64_t all = (uint64_t)(disk + 1) << 56 | (uint64_t)sector << 32 | version;

    return i ? (all + i) * 0x9e3779b97f4a7c15u : all;
}

void stamp(void *data, unsigned disk, uint32_t sector, uint32_t count, uint32_t version)
{
    uint64_t *at = data;

    for (uint32_t s = 0; s < count; s++)
        for (unsigned i = 0; i < WORDS; i++)
            *at++ = word(disk, sector + s, version, i);
}

bool read_stamps(const void *data, unsigned disk, uint32_t sector, uint32_t count,
                 uint32_t *version, char why[512])
{
    for (uint32_t s = 0; s < count; s++) {
        const uint64_t *at = (const uint64_t *)data + (size_t)s * WORDS;
        version[s] = (uint32_t)at[0];
        for (unsigned i = 0; i < WORDS; i++)
            if (at[i] != (version[s] ? word(disk, sector + s, version[s], i) : 0)) {
                snprintf(
                    why, 512,
                    "disk %u sector %u has bytes that nobody wrote there: word %u is %016" PRIx64
                    ", the first %016" PRIx64,
                    disk, sector + s, i, at[i], at[0]);
                return false;
            }
    }
    return true;
}

/* ---- what has happened ----------------------------------------------------------------- */

void model_create(struct model *m, const uint64_t size[WORLD_DISKS])
{
    *m = (struct model){ .first = 1 };
    for (unsigned i = 0; i < WORLD_DISKS; i++) {
        m->sectors[i] = (uint32_t)(size[i] / SECTOR);
        m->base[i] = must(calloc(m->sectors[i], sizeof(uint32_t)));
    }
}

void model_destroy(struct model *m)
{
    for (unsigned i = 0; i < WORLD_DISKS; i++)
        free(m->base[i]);
    free(m->op);
}

uint32_t model_begin(struct model *m, const struct guest_op *op)
{
    if (m->ops == m->size) {
        m->size = m->size ? 2 * m->size : 256;
        m->op = must(realloc(m->op, m->size * sizeof(*m->op)));
    }
    m->op[m->ops] = *op;
    m->op[m->ops].end = NEVER;
    return m->first + (uint32_t)m->ops++;
}

void model_end(struct model *m, uint32_t version, size_t moment, int error)
{
    if (!error)
        m->op[version - m->first].end = moment;
}

void model_settle(struct model *m, unsigned disk, const uint32_t *version)
{
    memcpy(m->base[disk], version, m->sectors[disk] * sizeof(*version));
}

void model_renew(struct model *m)
{
    m->first += (uint32_t)m->ops;
    m->ops = 0;
}

/* ---- judgement ---------------------------------------------------------------------------- */

/* Of each sector, writes by their numbers: 1 is the first, 0 what was there before. */
struct judge {
    const struct model *model;
    size_t moment;
    unsigned disk;
    uint32_t *floor; /* the last that must be there */
    uint32_t *zero;  /* the last that may be there and was of zeroes */
    uint32_t *seen;  /* what is there */
};

static bool changes(const struct judge *j, const struct guest_op *op)
{
    return op->disk == j->disk && op->what != GUEST_FLUSH && op->begin <= j->moment;
}

/* When the youngest flush began that was answered: it speaks of what had been answered by then. */
static size_t last_flush(const struct judge *j)
{
    const struct model *m = j->model;
    size_t last = 0;

    for (size_t i = 0; i < m->ops; i++)
        if (m->op[i].disk == j->disk && m->op[i].what == GUEST_FLUSH && m->op[i].end <= j->moment &&
            m->op[i].begin > last)
            last = m->op[i].begin;
    return last;
}

static void set_floors(struct judge *j)
{
    const struct model *m = j->model;
    const size_t flushed = last_flush(j);

    for (size_t i = 0; i < m->ops; i++) {
        const struct guest_op *op = &m->op[i];
        if (!changes(j, op))
            continue;
        const bool durable = op->end <= j->moment && (op->fua || op->end <= flushed);
        for (uint32_t s = op->first; s < op->first + op->count; s++) {
            if (durable)
                j->floor[s] = (uint32_t)i + 1;
            if (op->what == GUEST_ZERO)
                j->zero[s] = (uint32_t)i + 1;
        }
    }
}

/* The number of the write that `version` is of, in *ret. */
static bool number_of(const struct judge *j, uint32_t sector, uint32_t version, uint32_t *ret)
{
    const struct model *m = j->model;

    if (version < m->first) {
        *ret = version ? 0 : j->zero[sector];
        return *ret ? true : m->base[j->disk][sector] == version;
    }
    *ret = version - m->first + 1;
    if (*ret > m->ops)
        return false;
    const struct guest_op *op = &m->op[*ret - 1];
    return changes(j, op) && op->what == GUEST_WRITE && sector >= op->first &&
           sector < op->first + op->count;
}

static bool complain(const struct judge *j, uint32_t sector, uint32_t version, const char *what,
                     uint32_t wanted, char why[512])
{
    const struct guest_op *op = wanted ? &j->model->op[wanted - 1] : NULL;

    snprintf(why, 512,
             "disk %u sector %u is of version %u%s: wanted is version %u or later (%s%s of sectors "
             "%u to %u, moments %zu to %zd)",
             j->disk, sector, version, what, wanted ? j->model->first + wanted - 1 : 0,
             !op                      ? "what was there"
             : op->what == GUEST_ZERO ? "zeroes"
                                      : "a write",
             op && op->log ? " to the log" : "", op ? op->first : 0,
             op ? op->first + op->count - 1 : 0, op ? op->begin : 0, op ? (ssize_t)op->end : 0);
    return false;
}

static bool judge_floors(struct judge *j, const uint32_t *version, char why[512])
{
    for (uint32_t s = 0; s < j->model->sectors[j->disk]; s++) {
        if (!number_of(j, s, version[s], &j->seen[s]))
            return complain(j, s, version[s], ", which was never there", j->floor[s], why);
        if (j->seen[s] < j->floor[s])
            return complain(j, s, version[s], ", which is older than what was flushed", j->floor[s],
                            why);
    }
    return true;
}

/* Whatever the log had before the youngest write of the log that is there, is there, too. */
static bool judge_order(struct judge *j, const uint32_t *version, char why[512])
{
    const struct model *m = j->model;
    uint32_t youngest = 0;

    for (uint32_t s = 0; s < m->sectors[j->disk]; s++)
        if (version[s] && j->seen[s] > youngest && m->op[j->seen[s] - 1].log)
            youngest = j->seen[s];
    for (size_t i = 0; youngest && i < youngest - 1; i++) {
        const struct guest_op *op = &m->op[i];
        if (!changes(j, op) || !op->log || op->end > m->op[youngest - 1].begin)
            continue;
        for (uint32_t s = op->first; s < op->first + op->count; s++)
            if (j->seen[s] < i + 1) {
                char what[80];
                snprintf(what, sizeof(what), ", though version %u, which came later, is there",
                         m->first + youngest - 1);
                return complain(j, s, version[s], what, (uint32_t)i + 1, why);
            }
    }
    return true;
}

bool model_allows(const struct model *m, size_t moment, unsigned disk, const uint32_t *version,
                  char why[512])
{
    struct judge j = { .model = m, .moment = moment, .disk = disk };
    const size_t n = m->sectors[disk];
    uint32_t *all = must(calloc(3 * n, sizeof(*all)));

    j.floor = all;
    j.zero = all + n;
    j.seen = all + 2 * n;
    set_floors(&j);
    bool good = judge_floors(&j, version, why) && judge_order(&j, version, why);
    free(all);
    return good;
}

/* Where the flush was answered that came last before op `number`; 0: there was none. */
static size_t flush_before(const struct judge *j, uint32_t number)
{
    const struct model *m = j->model;

    for (size_t i = number - 1; i > 0; i--)
        if (m->op[i].disk == j->disk && m->op[i].what == GUEST_FLUSH && m->op[i].end <= j->moment)
            return i;
    return 0;
}

static bool judge_epochs(struct judge *j, const uint32_t *version, char why[512])
{
    const struct model *m = j->model;
    uint32_t youngest = 0;

    for (uint32_t s = 0; s < m->sectors[j->disk]; s++) {
        if (!number_of(j, s, version[s], &j->seen[s]))
            return complain(j, s, version[s], ", which was never there", 0, why);
        if (version[s] && j->seen[s] > youngest)
            youngest = j->seen[s];
    }
    const size_t flushed = youngest ? flush_before(j, youngest) : 0;
    for (size_t i = 0; i < flushed; i++)
        for (uint32_t s = m->op[i].first; s < m->op[i].first + m->op[i].count; s++)
            if (changes(j, &m->op[i]) && j->seen[s] < i + 1)
                return complain(j, s, version[s],
                                ", on a store that has what was written after a later flush",
                                (uint32_t)i + 1, why);
    return true;
}

bool model_allows_older(const struct model *m, size_t moment, unsigned disk,
                        const uint32_t *version, char why[512])
{
    struct judge j = { .model = m, .moment = moment, .disk = disk };
    const size_t n = m->sectors[disk];
    uint32_t *all = must(calloc(3 * n, sizeof(*all)));

    j.floor = all;
    j.zero = all + n;
    j.seen = all + 2 * n;
    set_floors(&j); /* for the zeroes */
    bool good = judge_epochs(&j, version, why);
    free(all);
    return good;
}

bool model_is_now(const struct model *m, unsigned disk, const uint32_t *version, char why[512])
{
    const size_t n = m->sectors[disk];
    uint32_t *now = must(malloc(n * sizeof(*now)));
    bool good = true;

    memcpy(now, m->base[disk], n * sizeof(*now));
    for (size_t i = 0; i < m->ops; i++) {
        const struct guest_op *op = &m->op[i];
        if (op->disk == disk && op->what != GUEST_FLUSH && op->end != NEVER)
            for (uint32_t s = op->first; s < op->first + op->count; s++)
                now[s] = op->what == GUEST_ZERO ? 0 : m->first + (uint32_t)i;
    }
    for (uint32_t s = 0; good && s < n; s++)
        if (version[s] != now[s]) {
            snprintf(why, 512, "disk %u sector %u is of version %u, and should be of %u", disk, s,
                     version[s], now[s]);
            good = false;
        }
    free(now);
    return good;
}
