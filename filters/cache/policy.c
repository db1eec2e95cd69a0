/* policy.c - which blocks stay in the pool?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "queues.h"

#include <errno.h>
#include <stdlib.h>

enum { PROMOTE_HITS = 2 };
#define PLACES_MAX (1u << 31) /* so that an entry of the index has at least a bit of tag */

int policy_create(const struct policy_shape *shape, struct policy **ret)
{
    uint64_t places = (uint64_t)shape->log_pages + shape->slots;

    if (!shape->log_pages || places >= PLACES_MAX || !(shape->ghost >= 0 && shape->ghost <= 16))
        return -EINVAL;
    struct policy *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->shape = *shape;
    p->places = (uint32_t)places;
    p->place.name = table_alloc(places * NAME_BYTES + sizeof(uint64_t) - NAME_BYTES);
    p->place.crc = table_alloc(places * sizeof *p->place.crc);
    if (!p->place.name || !p->place.crc ||
        index_init(&p->index, &p->place, p->places, shape->seed) ||
        ghost_init(&p->ghost, (uint64_t)((double)places * shape->ghost), ~shape->seed)) {
        policy_destroy(p);
        return -ENOMEM;
    }
    for (unsigned disk = 0; disk < DISKS_MAX; disk++)
        p->disk[disk].max = UINT32_MAX;
    p->first_empty = p->last_empty = NOWHERE;
    p->young = shape->log_pages;
    p->hand = p->guest_hand = p->trim_hand = shape->log_pages;
    for (uint32_t slot = shape->log_pages; slot < p->places; slot++)
        empty_add(p, slot);
    *ret = p;
    return 0;
}

void policy_destroy(struct policy *p)
{
    if (!p)
        return;
    ghost_finish(&p->ghost);
    index_finish(&p->index);
    free(p->place.crc);
    free(p->place.name);
    free(p);
}

size_t policy_memory(const struct policy *p)
{
    return sizeof *p + (size_t)p->places * (NAME_BYTES + sizeof *p->place.crc) +
           index_memory(&p->index) + ghost_memory(&p->ghost);
}

/* ---- look --------------------------------------------------------------------- */

uint32_t policy_find(const struct policy *p, uint64_t key)
{
    return index_find(&p->index, key);
}

uint64_t policy_key(const struct policy *p, uint32_t place)
{
    return name_key(place_name(&p->place, place));
}

uint32_t policy_crc(const struct policy *p, uint32_t place)
{
    return p->place.crc[place];
}

/* What a name says of a place, without what only the policy knows of slots. */
static unsigned outward(const struct policy *p, uint32_t place, uint64_t name)
{
    return name_state(name) & ~(in_slot(p, place) ? NAME_GUEST : 0u);
}

unsigned policy_state(const struct policy *p, uint32_t place)
{
    return outward(p, place, place_name(&p->place, place));
}

unsigned policy_hits(const struct policy *p, uint32_t place)
{
    return name_hits(place_name(&p->place, place));
}

uint32_t policy_disk_blocks(const struct policy *p, unsigned disk)
{
    return p->disk[disk].blocks;
}

void policy_counts(const struct policy *p, struct policy_counts *counts)
{
    *counts = p->counts;
}

/* ---- change ------------------------------------------------------------------- */

void place_becomes(struct policy *p, uint32_t place, uint64_t name)
{
    uint64_t former = place_name(&p->place, place);
    unsigned was = name_state(former), is = name_state(name);
    bool taken_was = outward(p, place, former), taken_is = outward(p, place, name);

    p->disk[key_disk(name_key(former))].blocks -= was & NAME_CURRENT;
    p->disk[key_disk(name_key(name))].blocks += is & NAME_CURRENT;
    if (!in_slot(p, place)) {
        p->counts.in_log += (uint32_t)taken_is - (uint32_t)taken_was;
        p->counts.dirty += (uint32_t) !!(is & NAME_DIRTY) - (uint32_t) !!(was & NAME_DIRTY);
        place_set_name(&p->place, place, name);
        return;
    }
    p->counts.in_slots += (uint32_t)taken_is - (uint32_t)taken_was;
    p->guests += (uint32_t)((is & (NAME_GUEST | NAME_CURRENT)) == (NAME_GUEST | NAME_CURRENT)) -
                 (uint32_t)((was & (NAME_GUEST | NAME_CURRENT)) == (NAME_GUEST | NAME_CURRENT));
    if (!was && is)
        empty_remove(p, place);
    place_set_name(&p->place, place, name);
    if (was && !is)
        empty_add(p, place);
    if ((taken_was || taken_is) && (former ^ name) & ~name_make(0, NAME_GUEST, HITS_MAX) &&
        p->shape.slot_changed)
        p->shape.slot_changed(p->shape.arg, place - p->shape.log_pages);
}

/* It stays what it is but for being current. */
static void supersede(struct policy *p, uint32_t place)
{
    uint64_t name = place_name(&p->place, place);
    unsigned stays = outward(p, place, name) & ~(unsigned)NAME_CURRENT;

    place_becomes(p, place, stays ? name_make(name_key(name), stays, 0) : 0);
}

void place_forget(struct policy *p, uint32_t place)
{
    index_remove(&p->index, place, policy_key(p, place));
    place_becomes(p, place, 0);
}

static unsigned at_least(unsigned hits, unsigned least)
{
    return hits > least ? hits : least;
}

/* It is in the log still, but would not be in a small queue of the length that is wanted. */
static bool is_old(const struct policy *p, uint32_t place)
{
    uint32_t pages = p->shape.log_pages;

    if (p->young >= pages || in_slot(p, place))
        return false;
    return (p->newest >= place ? 0 : pages) + p->newest - place >= p->young;
}

void policy_touch(struct policy *p, uint32_t place)
{
    uint64_t name = place_name(&p->place, place);
    unsigned hits = name_hits(name);

    if (hits >= HITS_MAX || !(name_state(name) & NAME_CURRENT))
        return;
    hits = at_least(hits + 1, is_old(p, place) ? PROMOTE_HITS : 0);
    place_set_name(&p->place, place, name_make(name_key(name), name_state(name), hits));
}

void policy_put(struct policy *p, uint32_t place, uint64_t key, uint32_t crc, unsigned state,
                uint32_t *before)
{
    uint32_t former = policy_find(p, key);
    uint64_t own = place_name(&p->place, place);
    unsigned hits = 0, guest = 0;

    if (name_state(own) & NAME_CURRENT && former != place)
        place_forget(p, place); /* the caller uses it for something else without a word */
    if (former != NOWHERE) {
        uint64_t name = place_name(&p->place, former);
        hits = name_hits(name);
        if (in_slot(p, former) && !(name_state(name) & NAME_GUEST))
            hits = at_least(hits, PROMOTE_HITS);
    }
    if (in_slot(p, place)) {
        if (own == promise(true))
            guest = NAME_GUEST;
        state &= ~(unsigned)NAME_DIRTY; /* a slot cannot be */
    } else {
        p->newest = place;
        main_log_turned(p);
    }
    place_becomes(p, place, name_make(key, state | NAME_CURRENT | guest, hits));
    if (former == place)
        policy_set_crc(p, place, crc);
    else
        p->place.crc[place] = crc;
    *before = former == place ? NOWHERE : former;
    if (former == NOWHERE) {
        index_add(&p->index, place);
    } else if (former != place) {
        index_move(&p->index, former, place, key);
        supersede(p, former);
    }
}

void policy_set_crc(struct policy *p, uint32_t place, uint32_t crc)
{
    p->place.crc[place] = crc;
    if (in_slot(p, place) && p->shape.slot_changed)
        p->shape.slot_changed(p->shape.arg, place - p->shape.log_pages);
}

void policy_set_state(struct policy *p, uint32_t place, unsigned set, unsigned clear)
{
    uint64_t name = place_name(&p->place, place);
    unsigned may = PLACE_PARTIAL | (in_slot(p, place) ? 0 : PLACE_DIRTY);
    unsigned state = (name_state(name) | (set & may)) & ~(clear & may);

    place_becomes(p, place, state ? name_make(name_key(name), state, name_hits(name)) : 0);
}

void policy_drop(struct policy *p, uint32_t place)
{
    uint64_t name = place_name(&p->place, place);

    if (name_state(name) & NAME_CURRENT) {
        index_remove(&p->index, place, name_key(name));
        supersede(p, place);
    } else if (promised(name)) {
        place_becomes(p, place, 0);
    }
}

/* ---- who comes and who goes ------------------------------------------------------ */

static bool has_too_many(const struct policy *p, uint64_t key)
{
    const struct policy_disk *disk = &p->disk[key_disk(key)];

    return disk->blocks > disk->max;
}

uint32_t policy_admit(struct policy *p, uint64_t key)
{
    bool known = ghost_take(&p->ghost, key);

    if (p->disk[key_disk(key)].blocks >= p->disk[key_disk(key)].max && !main_trim(p, key_disk(key)))
        return NOWHERE;
    if (known)
        return main_room(p);
    return main_turn(p) ? main_promise(p, p->first_empty, true) : NOWHERE;
}

bool policy_recall(struct policy *p, uint64_t key)
{
    return ghost_take(&p->ghost, key);
}

/* The log's tail is at a clean, current place. */
static enum policy_fate leave_log(struct policy *p, uint32_t place, uint32_t *slot)
{
    uint64_t name = place_name(&p->place, place), key = name_key(name);
    const struct policy_disk *disk = &p->disk[key_disk(key)];
    bool hit = name_hits(name) >= PROMOTE_HITS;

    *slot = NOWHERE;
    if (has_too_many(p, key)) {
        if (hit && main_trim(p, key_disk(key)) && p->empty)
            *slot = main_promise(p, p->first_empty, false);
    } else if (hit || disk->blocks <= disk->min) {
        *slot = main_room(p);
    } else if (main_takes_guest(p)) {
        *slot = main_promise(p, p->first_empty, true);
    }
    if (*slot != NOWHERE)
        return FATE_MOVE;
    ghost_put(&p->ghost, key);
    place_forget(p, place);
    p->counts.evictions++;
    return FATE_GONE;
}

enum policy_fate policy_tail(struct policy *p, uint32_t place, uint32_t *slot)
{
    unsigned state = policy_state(p, place);

    if (state & PLACE_DIRTY)
        return FATE_DIRTY;
    if (state & PLACE_CURRENT)
        return leave_log(p, place, slot);
    if (state)
        place_becomes(p, place, 0);
    return FATE_EMPTY;
}

bool policy_move(struct policy *p, uint32_t from, uint32_t slot)
{
    uint64_t name = place_name(&p->place, from), own = place_name(&p->place, slot);
    unsigned state = name_state(name), guest = own == promise(true) ? NAME_GUEST : 0;

    if (!promised(own))
        return false;
    if (!(state & NAME_CURRENT) || state & NAME_DIRTY) {
        place_becomes(p, slot, 0);
        return false;
    }
    place_becomes(p, slot, name_make(name_key(name), state | guest, !guest));
    p->place.crc[slot] = p->place.crc[from];
    index_move(&p->index, from, slot, name_key(name));
    place_becomes(p, from, 0);
    p->counts.promotions += !guest;
    return true;
}

void policy_tune(struct policy *p, double small)
{
    uint32_t pages = p->shape.log_pages, wanted = (uint32_t)(small * p->places + 0.5);

    if (small == POLICY_LOG) /* however long the log is */
        wanted = pages;
    p->young = wanted < pages ? at_least(wanted, 1) : pages;
    p->guests_least = wanted > pages ? wanted - pages : 0;
    if (p->guests_least > p->shape.slots)
        p->guests_least = p->shape.slots;
}

/* ---- shares of the disks ----------------------------------------------------------- */

void policy_share(struct policy *p, unsigned disk, uint32_t min, uint32_t max)
{
    p->disk[disk].min = min;
    p->disk[disk].max = max;
}
