/* replica.h - what do the commands about replication share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_REPLICA_H
#define WEIR_WEIRCTL_REPLICA_H

#include "filtered.h"

/* One end of a replicated group, on this host. */
struct replica {
    struct filtered end;        /* the filter of a disk; or the store of an export log:GROUP */
    struct json_object *status; /* what its verb `status` says */
};
#define cleanup_replica __attribute__((cleanup(replica_close)))

/* The disk that the command names first, which is sent from here. */
enum exit_code replica_source(const struct invocation *, struct replica *);
/* The group that the command names first, or one of its disks, which arrives here. */
enum exit_code replica_target(const struct invocation *, struct replica *);
/* Either: where it arrives, or else where it is sent from; *source says which. */
enum exit_code replica_either(const struct invocation *, struct replica *, bool *source);
void replica_close(struct replica *);

/* Is this entry of "show" an export that a source sends a group to? */
bool replica_is_log(struct json_object *entry);
/* Does a status speak of this group or disk? */
bool replica_has(struct json_object *status, const char *name);
/* Is the target of this source any NBD server's disk?  It takes writes, and answers no questions.
 */
bool replica_is_plain(struct json_object *status);
/* 0 and *status; or -errno and in *why what was said, "": the gateway did not answer. */
int replica_ask(const struct invocation *, const struct filtered *end, struct json_object **status,
                char **why);
/* The same, once more, for who waits; the old status is given up. */
int replica_look(const struct invocation *, struct replica *, char **why);

/* A disk of a target's group: the export that serves its head; NULL: none does. */
struct json_object *replica_head(const struct replica *, const char *disk);
/* "open" or "close" of the export of a head; what went wrong is said. */
enum exit_code replica_head_do(const struct invocation *, const struct replica *, const char *verb,
                               const char *export);

/* Whoever watches looks so often, in s; and what a status counts in. */
#define WATCH_SECONDS 0.3
enum { GRANULE = 65536 };

/* ---- replica-loss.c: what a failover loses ------------------------------------------ */

struct loss {
    uint64_t lsn;        /* the last that is there */
    const char *time;    /* when it was written at the source */
    double seconds;      /* since then: at most what is lost */
    uint64_t unfinished; /* LSNs of a set that has not arrived as a whole */
    uint64_t given_up;   /* LSNs that are here, behind the point that is gone back to */
    double back;         /* s: from there to that point */
};
/* By the status of a target.  `word`: where it goes back to, and `point` what is known of that;
 * NULL: the newest whole state.  Borrows the times. */
struct loss replica_loss(struct json_object *status, const char *word, struct json_object *point);
void loss_print(const struct loss *, struct weir_text *); /* a sentence, or nothing */
struct json_object *loss_document(const struct loss *);

/* ---- replica-points.c: restore points and their time -------------------------------- */

/* The times of a status or a point, and what people write: RFC 3339 with Z, or "2h" for that long
 * ago.  ns since 1970; -EINVAL. */
int parse_when(const char *text, uint64_t *ns);
uint64_t when_now(void);
/* What the verb `points` lists, oldest first; *points is the caller's. */
enum exit_code replica_points(const struct invocation *, struct replica *,
                              struct json_object **points);
/* The point that POINT means: the last at or before a time, or the one of that name; for lsn:N,
 * which need not be a point, the last before it, or NULL.  Borrowed.  Says NOT_FOUND. */
enum exit_code replica_find_point(const struct invocation *, struct json_object *points,
                                  const char *word, struct json_object **ret);

#endif
