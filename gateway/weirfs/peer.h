/* peer.h - which gateways are there, and what do they answer in time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A peer is a gateway that has a socket under RUN/ctl.  Every call has a deadline.  A
 * peer that missed one is hanging: calls fail at once until its watcher, a thread of
 * its own, got an answer again.  A dead one (nobody listens) is tried anew each time,
 * for that is answered at once. */
#ifndef WEIRFS_PEER_H
#define WEIRFS_PEER_H

#include "refusal.h"

#include <stddef.h>
#include <sys/stat.h>

struct peer;

enum peer_state { PEER_RUNNING, PEER_HANGING, PEER_DEAD };

/* From here on gateways are watched; `timeout_ms` is how long list, get and check may
 * take.  0 or -errno.  After fork(). */
int peers_start(const char *run, unsigned timeout_ms);
void peers_stop(void); /* ends the watchers, which takes up to a second */

/* All gateways that have a socket now, in name order, ends with NULL; each is a
 * reference, peers_put() gives them back.  NULL: no memory. */
struct peer **peers_list(void);
void peers_put(struct peer **);
struct peer *peer_find(const char *name); /* a reference, or NULL */
struct peer *peer_ref(struct peer *);
void peer_unref(struct peer *); /* NULL is fine */

const char *peer_name(const struct peer *);
enum peer_state peer_state(struct peer *);
const char *peer_state_name(enum peer_state);
int peer_ping(struct peer *); /* asks, so that the state is a fresh one */
/* Whose the control socket is. */
void peer_owner(struct peer *, uid_t *uid, gid_t *gid);

struct entry {
    char *name;
    bool folder, writable;
};
struct entries { /* sorted by name */
    struct entry *list;
    size_t count, capacity;
};
int entries_add(struct entries *, const char *name, bool folder, bool writable);
void entries_sort(struct entries *); /* and drops names that are there twice */
struct entry *entries_find(const struct entries *, const char *name);
void entries_finish(struct entries *);
#define cleanup_entries __attribute__((cleanup(entries_finish)))

/* -ESHUTDOWN: dead; -ETIMEDOUT: hanging; else the gateway's own errno. */
int peer_list(struct peer *, const char *path, struct entries *ret);
int peer_get(struct peer *, const char *path, char **text, size_t *size);
int peer_check(struct peer *, const char *path, const char *text, size_t size, struct refusal *);
int peer_set(struct peer *, const char *path, const char *text, size_t size, struct refusal *);
int peer_remove(struct peer *, const char *path, struct refusal *);

/* Did the gateway have `folder`/`name` (exports or datastores) when it was last seen?
 * Asks nobody; true for what a dead gateway had. */
bool peer_had(struct peer *, const char *folder, const char *name);
/* Keeps `names` as what it has there; *names is something else then, still the caller's. */
void peer_remember(struct peer *, const char *folder, struct entries *names);
/* The names that it had. */
int peer_had_names(struct peer *, const char *folder, struct entries *ret);

/* Fetches the events that the watcher did not bring yet. */
void peer_fetch_events(struct peer *);

#endif
