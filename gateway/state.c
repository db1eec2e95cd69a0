/* state.c - is a disk served, and if not, who says so?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A lock belongs to whoever set it: the administrator, a filter, or the core (a filter
 * that did not let go, an opening that failed).  The disk is served when it is open and
 * nobody has it locked; one's unlocking never undoes another's lock. */
#include "events.h"
#include "export-private.h"
#include "scope.h"

#include <string.h>

const char *export_state_name(enum export_state s)
{
    static const char *const names[] = { "closed", "opening", "active", "locked" };

    return names[s];
}

static const char *first_reason(const struct export *e)
{
    const char *why = e->locked ? e->locked : e->broken;

    for (int i = 0; !why && e->chain && i < e->chain->count; i++) {
        const struct weir_below *b = e->chain->link[i].place;
        why = b->locked ? b->locked : b->stuck;
    }
    return why;
}

const char *state_reason(const struct export *e)
{
    const char *why = first_reason(e);

    return why ? why : "";
}

void export_settle(struct export *e)
{
    enum export_state state = EXPORT_CLOSED;

    if (e->stage == STAGE_OPENING)
        state = EXPORT_OPENING;
    else if (first_reason(e))
        state = EXPORT_LOCKED;
    else if (e->stage == STAGE_OPEN && e->chain)
        state = EXPORT_ACTIVE;
    atomic_store(&e->state, state);
}

/* To run out of memory for the sentence must not open the disk. */
static char unsaid[] = "there was no memory for the reason: the log may have it";

static char *keep_reason(const char *why)
{
    char *copy = strdup(why);

    return copy ? copy : unsaid;
}

void reason_free(char *reason)
{
    if (reason != unsaid)
        free(reason);
}

void export_set_stage(struct export *e, enum stage stage, const char *broken)
{
    char *copy = broken ? keep_reason(broken) : NULL;

    hold_lock(&e->lock);
    e->stage = stage;
    reason_free(e->broken);
    e->broken = copy;
    export_settle(e);
}

/* Replaces the lock at `where`; NULL takes it away.  True: that changed something. */
static bool set_lock(struct export *e, char **where, const char *why)
{
    char *copy = why ? keep_reason(why) : NULL;

    hold_lock(&e->lock);
    bool changed = !copy != !*where || (copy && strcmp(copy, *where) != 0);
    reason_free(*where);
    *where = copy;
    export_settle(e);
    return changed;
}

void export_lock(struct export *e, const char *why)
{
    set_lock(e, &e->locked, why);
    event_post(WEIR_ERROR, export_name(e), NULL, "locked: %s", why);
}

void export_unlock(struct export *e)
{
    bool changed = set_lock(e, &e->locked, NULL);

    pthread_mutex_lock(&e->lock);
    for (int i = 0; e->chain && i < e->chain->count; i++) {
        struct weir_below *b = e->chain->link[i].place;
        changed = changed || b->stuck;
        reason_free(b->stuck);
        b->stuck = NULL;
    }
    export_settle(e);
    bool locked = atomic_load(&e->state) == EXPORT_LOCKED;
    pthread_mutex_unlock(&e->lock);
    if (changed)
        event_post(WEIR_INFO, export_name(e), NULL, "%s",
                   locked ? "no longer locked by hand, but by a filter still" : "unlocked");
}

void place_lock(struct weir_below *b, const char *why)
{
    if (set_lock(b->export, &b->locked, why))
        event_post(WEIR_ERROR, export_name(b->export), b->label, "locked: %s", why);
}

void place_unlock(struct weir_below *b)
{
    const struct weir_filter *f = &b->library->filter;
    int r = f->flags & WEIR_TRANSFORMS ? form_note(b->export, f->name) : 0;

    if (r) {
        place_lock(b, "what it stores cannot be remembered in the state folder: unlock it again "
                      "when that can be written");
        return;
    }
    if (set_lock(b->export, &b->locked, NULL))
        event_post(WEIR_INFO, export_name(b->export), b->label, "unlocked");
}

void place_stuck(struct weir_below *b, const char *why)
{
    if (set_lock(b->export, &b->stuck, why))
        event_post(WEIR_ERROR, export_name(b->export), b->label, "locked: %s", why);
}
