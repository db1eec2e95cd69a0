/* policy-main.c - which block leaves the main queue?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * First the guests, then what is under the hand.  No hand goes further than its STEPS at a time
 * once it has somebody: the pool's lock is held meanwhile. */
#include "queues.h"

enum { STEPS = 1 << 16, GUEST_STEPS = 1 << 12, TRIM_STEPS = 1 << 8 };

/* What has been written, and not twice hit, is copied from the log's tail to a slot while more than
 * a part of the slots is empty, later for one block of so many at most. */
enum { EMPTY_PART = 16, GUEST_EVERY = 3 };

/* ---- the list of empty slots ----------------------------------------------------------
 *
 * An empty slot has the next one where others have their key, and the one before it where others
 * have their CRC.  The one that has been empty longest is taken first: it is in the order of the
 * slots at the beginning. */

static uint32_t next_empty(const struct policy *p, uint32_t slot)
{
    return (uint32_t)name_key(place_name(&p->place, slot));
}

void empty_add(struct policy *p, uint32_t slot)
{
    place_set_name(&p->place, slot, name_make(NOWHERE, 0, 0));
    p->place.crc[slot] = p->last_empty;
    if (p->last_empty == NOWHERE)
        p->first_empty = slot;
    else
        place_set_name(&p->place, p->last_empty, name_make(slot, 0, 0));
    p->last_empty = slot;
    p->empty++;
}

void empty_remove(struct policy *p, uint32_t slot)
{
    uint32_t next = next_empty(p, slot), former = p->place.crc[slot];

    if (former == NOWHERE)
        p->first_empty = next;
    else
        place_set_name(&p->place, former, name_make(next, 0, 0));
    if (next == NOWHERE)
        p->last_empty = former;
    else
        p->place.crc[next] = former;
    p->empty--;
}

uint32_t main_promise(struct policy *p, uint32_t slot, bool guest)
{
    place_becomes(p, slot, promise(guest));
    return slot;
}

/* ---- who goes --------------------------------------------------------------------- */

static uint32_t next_slot(const struct policy *p, uint32_t slot)
{
    return ++slot < p->places ? slot : p->shape.log_pages;
}

static bool is_guest(uint64_t name)
{
    return (name_state(name) & (NAME_GUEST | NAME_CURRENT)) == (NAME_GUEST | NAME_CURRENT);
}

static void give_up(struct policy *p, uint32_t slot)
{
    uint64_t name = place_name(&p->place, slot);

    if (is_guest(name))
        ghost_put(&p->ghost, name_key(name));
    place_forget(p, slot);
    p->counts.evictions++;
}

static bool is_kept(const struct policy *p, uint64_t name)
{
    const struct policy_disk *disk = &p->disk[key_disk(name_key(name))];

    return disk->blocks <= disk->min;
}

/* A guest that was hit twice is one no longer; the first other one goes. */
static bool guest_goes(struct policy *p)
{
    for (uint32_t steps = 0; p->guests && steps < GUEST_STEPS; steps++) {
        uint32_t slot = p->guest_hand;
        uint64_t name = place_name(&p->place, slot);
        p->guest_hand = next_slot(p, slot);
        if (!is_guest(name))
            continue;
        if (name_hits(name) >= 2 || is_kept(p, name)) {
            place_becomes(p, slot,
                          name_make(name_key(name), name_state(name) & ~(unsigned)NAME_GUEST, 0));
            continue;
        }
        give_up(p, slot);
        return true;
    }
    return false;
}

/* There are too many of them: they are the first to go. */
static bool has_spare_guests(const struct policy *p)
{
    return p->guests > p->guests_least;
}

/* The first one under the hand that has not been hit since the hand was there last. */
static bool one_goes(struct policy *p)
{
    bool spares_guests = p->guests && !has_spare_guests(p);
    uint32_t best = NOWHERE;
    unsigned best_hits = HITS_MAX + 1;

    if (!p->shape.slots)
        return false;
    for (uint32_t steps = 0; best_hits; steps++) {
        if (steps >= STEPS && (best != NOWHERE || steps >= p->shape.slots))
            break;
        uint32_t slot = p->hand;
        uint64_t name = place_name(&p->place, slot);
        p->hand = next_slot(p, slot);
        if (!(name_state(name) & NAME_CURRENT))
            continue;
        const struct policy_disk *disk = &p->disk[key_disk(name_key(name))];
        unsigned hits = disk->blocks > disk->max ? 0 : name_hits(name);
        if (is_kept(p, name) || (spares_guests && is_guest(name)))
            continue;
        if (hits)
            place_set_name(&p->place, slot, name - name_make(0, 0, 1));
        if (hits < best_hits) {
            best = slot;
            best_hits = hits;
        }
    }
    if (best == NOWHERE)
        return false;
    give_up(p, best);
    return true;
}

/* ---- guests ----------------------------------------------------------------------- */

/* Slots that guests have or may have. */
static uint64_t guest_slots(const struct policy *p)
{
    uint64_t now = (uint64_t)p->guests + p->empty;

    return now > p->guests_least ? now : p->guests_least;
}

static uint64_t small_queue(const struct policy *p)
{
    return guest_slots(p) + p->shape.log_pages;
}

void main_log_turned(struct policy *p)
{
    uint64_t most = small_queue(p) * p->shape.log_pages;

    p->turn += guest_slots(p);
    if (p->turn > most)
        p->turn = most;
}

bool main_turn(struct policy *p)
{
    if (p->turn + guest_slots(p) < small_queue(p))
        return false;
    p->turn -= p->shape.log_pages;
    return p->empty || (p->guests < p->guests_least && one_goes(p)) || guest_goes(p);
}

bool main_takes_guest(struct policy *p)
{
    if (p->empty > p->shape.slots / EMPTY_PART)
        return true;
    if (++p->denied < GUEST_EVERY || p->turn < 2 * small_queue(p) || !main_turn(p))
        return false;
    p->denied = 0;
    return true;
}

/* ---- room for the main queue -------------------------------------------------------- */

static bool somebody_goes(struct policy *p)
{
    bool spare = has_spare_guests(p);

    return (spare && guest_goes(p)) || one_goes(p) || (!spare && guest_goes(p));
}

uint32_t main_room(struct policy *p)
{
    if (!p->empty && !somebody_goes(p))
        return NOWHERE;
    return main_promise(p, p->first_empty, false);
}

bool main_trim(struct policy *p, unsigned disk)
{
    for (uint32_t steps = 0; steps < TRIM_STEPS && steps < p->shape.slots; steps++) {
        uint32_t slot = p->trim_hand;
        uint64_t name = place_name(&p->place, slot);
        p->trim_hand = next_slot(p, slot);
        if (name_state(name) & NAME_CURRENT && key_disk(name_key(name)) == disk) {
            give_up(p, slot);
            return true;
        }
    }
    return false;
}
