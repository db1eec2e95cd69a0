/* generation.c - what do the two sites know of each other's past, and what may follow from it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "generation.h"

#include "encode.h"

/* A site that goes back to an older point takes its past back, too: generations that began behind
 * that point are none of its own any more, and would claim LSNs that it does not hold. */
void lineage_begin(struct lineage *l, uint64_t id, uint64_t end)
{
    unsigned gone = 0;

    while (gone + 1 < l->count && l->list[gone + 1].end > end)
        gone++;
    l->count -= gone;
    memmove(l->list, l->list + gone, l->count * sizeof(*l->list));
    if (l->count)
        l->list[0].end = end;
    if (l->count == GENERATIONS)
        l->count--;
    memmove(l->list + 1, l->list, l->count * sizeof(*l->list));
    l->list[0] = (struct generation){ .id = id };
    l->count++;
}

void lineage_merge(struct lineage *l, uint64_t held)
{
    while (l->count > 2 && l->list[2].end >= held) {
        memmove(l->list + 1, l->list + 2, (l->count - 2) * sizeof(*l->list));
        l->count--;
    }
}

void lineage_untell(struct lineage *l, bool untold)
{
    if (!untold || l->count < 2)
        return;
    memmove(l->list, l->list + 1, --l->count * sizeof(*l->list));
    l->list[0].end = 0;
}

/* The newest generation that both know: false where there is none. */
static bool common_generation(const struct lineage *source, const struct lineage *target,
                              unsigned *at_source, unsigned *at_target)
{
    for (unsigned s = 0; s < source->count; s++)
        for (unsigned t = 0; t < target->count; t++)
            if (source->list[s].id == target->list[t].id) {
                *at_source = s;
                *at_target = t;
                return true;
            }
    return false;
}

/* The last LSN of that generation which a site holds whose last is `lsn`: it may know of a
 * generation, and lag behind its end. */
static uint64_t held(const struct lineage *l, unsigned at, uint64_t lsn)
{
    return at && l->list[at].end < lsn ? l->list[at].end : lsn;
}

enum kinship lineage_compare(const struct lineage *source, uint64_t source_lsn,
                             const struct lineage *target, uint64_t target_lsn, struct fork *fork)
{
    struct fork room;
    unsigned s = 0, t = 0;

    fork = fork ? fork : &room;
    *fork = (struct fork){ 0 };
    if (!target->count && !target_lsn)
        return KIN_NEW;
    if (!common_generation(source, target, &s, &t))
        return KIN_UNRELATED;
    const uint64_t here = held(source, s, source_lsn), there = held(target, t, target_lsn);
    fork->common = source->list[s].id;
    fork->lsn = here < there ? here : there;
    fork->source_lost = source_lsn - fork->lsn;
    fork->target_lost = target_lsn - fork->lsn;
    /* The target began none by itself: what it has came from the source, which must have it still.
     * Not so if the source was set back to an older state. */
    if (!t)
        return fork->target_lost ? KIN_FORK : s ? KIN_BEHIND : KIN_SAME;
    /* A source that began one did so to acknowledge writes alone, whatever its LSN says. */
    return s || fork->source_lost ? KIN_FORK : KIN_PROMOTED;
}

const char *kinship_name(enum kinship k)
{
    static const char *const names[] = {
        [KIN_NEW] = "new",           [KIN_SAME] = "same", [KIN_BEHIND] = "behind",
        [KIN_PROMOTED] = "promoted", [KIN_FORK] = "fork", [KIN_UNRELATED] = "unrelated",
    };

    return names[k];
}

/* ---- as bytes ---------------------------------------------------------------- */

enum { AT_LIST = 8, ENTRY = 16 };

void lineage_write(const struct lineage *l, uint8_t out[LINEAGE_BYTES])
{
    memset(out, 0, LINEAGE_BYTES);
    put32(out, l->count);
    for (unsigned i = 0; i < l->count; i++) {
        put64(out + AT_LIST + (size_t)i * ENTRY, l->list[i].id);
        put64(out + AT_LIST + (size_t)i * ENTRY + 8, i ? l->list[i].end : 0);
    }
}

static bool all_zero(const uint8_t *byte, size_t size)
{
    for (; size; size--, byte++)
        if (*byte)
            return false;
    return true;
}

/* Ids are none twice, and generations end in the order in which they came. */
static bool believable(const struct lineage *l)
{
    if (l->count && l->list[0].end)
        return false;
    for (unsigned i = 0; i < l->count; i++) {
        if (!l->list[i].id || (i > 1 && l->list[i].end > l->list[i - 1].end))
            return false;
        for (unsigned k = 0; k < i; k++)
            if (l->list[k].id == l->list[i].id)
                return false;
    }
    return true;
}

bool lineage_read(const uint8_t bytes[LINEAGE_BYTES], struct lineage *ret)
{
    struct lineage l = { .count = get32(bytes) };

    if (l.count > GENERATIONS || get32(bytes + 4))
        return false;
    const size_t used = AT_LIST + l.count * (size_t)ENTRY;
    for (unsigned i = 0; i < l.count; i++)
        l.list[i] = (struct generation){
            .id = get64(bytes + AT_LIST + (size_t)i * ENTRY),
            .end = get64(bytes + AT_LIST + (size_t)i * ENTRY + 8),
        };
    if (!believable(&l) || !all_zero(bytes + used, LINEAGE_BYTES - used))
        return false;
    *ret = l;
    return true;
}
