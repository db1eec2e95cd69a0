/* queues.h - what do the policy's files share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CACHE_QUEUES_H
#define CACHE_QUEUES_H

#include "ghost.h"
#include "index.h"
#include "policy.h"

struct policy {
    struct policy_shape shape;
    uint32_t places; /* log_pages + slots */
    struct places place;
    struct index index;
    struct ghost ghost;

    /* Slots, as places.  Those that are empty and promised to nobody are a list through `place`. */
    uint32_t empty, first_empty, last_empty;
    uint32_t guests;
    /* policy_tune(): blocks of the log that are so new that a hit does not tell yet; guests that
     * the main queue gives way for. */
    uint32_t young, guests_least;
    uint32_t newest; /* the page of the log that was put last */
    uint64_t turn;   /* what the guests are behind the log, times the small queue's length */
    unsigned denied; /* blocks that left the log since one became a guest */
    uint32_t hand, guest_hand, trim_hand;

    struct policy_disk {
        uint32_t min, max;
        uint32_t blocks; /* current */
    } disk[DISKS_MAX];
    struct policy_counts counts;
};

static inline bool in_slot(const struct policy *p, uint32_t place)
{
    return place >= p->shape.log_pages;
}

/* The name of an empty slot that has been promised: as a guest's, or the main queue's. */
static inline uint64_t promise(bool guest)
{
    return name_make(0, NAME_GUEST, guest);
}

static inline bool promised(uint64_t name)
{
    return name_state(name) == NAME_GUEST;
}

/* ---- policy.c --------------------------------------------------------------------- */

/* The only way in which a place's name and state change: keeps counts, the list of empty slots and
 * slot_changed().  The index is the caller's. */
void place_becomes(struct policy *, uint32_t place, uint64_t name);
/* A current place becomes empty, and leaves the index. */
void place_forget(struct policy *, uint32_t place);

/* ---- policy-main.c: the slots -------------------------------------------------------- */

void empty_add(struct policy *, uint32_t slot);
void empty_remove(struct policy *, uint32_t slot);

/* `slot`, which is empty, is nobody else's until it is put or dropped. */
uint32_t main_promise(struct policy *, uint32_t slot, bool guest);
/* Promises an empty slot, for which somebody may have to go.  NOWHERE: nobody can. */
uint32_t main_room(struct policy *);
/* The log and the guests are the small queue together, and are to turn over equally fast.  A page
 * of the log has been taken: */
void main_log_turned(struct policy *);
/* True: it is the guests' turn, and there is an empty slot for one; the one that has been a guest
 * longest may have gone for it, or, while there are fewer than there shall be, one of the main
 * queue. */
bool main_turn(struct policy *);
/* The same for a block that nobody has hit twice, and that leaves the log: it costs a write. */
bool main_takes_guest(struct policy *);
/* Gives a block of `disk`, which has more than it may, up.  False: none was found soon. */
bool main_trim(struct policy *, unsigned disk);

#endif
