/* tree.h - what is at a path of the mount, and which gateway has it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The gateways say what their trees hold.  Here they become one: exports/, policies/,
 * filters/, datastores/ and gateways/ show what any gateway has; `metrics`, `events` and
 * `last_error` are for all of them together.  An export (or datastore) whose name two
 * gateways use is NAME@GATEWAY, for NAME could mean the wrong disk.  Paths here have no
 * leading slash; "" is the root. */
#ifndef WEIRFS_TREE_H
#define WEIRFS_TREE_H

#include "peer.h"

enum node_kind {
    NODE_FOLDER,
    NODE_VALUE,  /* of one gateway */
    NODE_POLICY, /* policies/NAME or an export's policy.conf */
    NODE_METRICS,
    NODE_EVENTS,
    NODE_LAST_ERROR, /* of changes made through this mount */
    NODE_STATE,      /* gateways/NAME/state */
    NODE_USERS,      /* filters/NAME/exports: of all gateways */
};

struct node {
    enum node_kind kind;
    bool writable;
    bool edits;        /* a folder that editors may leave scratch files in */
    struct peer *peer; /* whose it is; NULL: of no one in particular */
    char *path;        /* as that gateway knows it, or as it is in the mount */
};

/* 0; -ENOENT; -ESHUTDOWN, -ETIMEDOUT: its gateway is dead or hanging. */
int node_find(const char *path, struct node *ret);
/* The same for a file that is about to be read: where the reading tells whether it is
 * there, the gateway is not asked twice. */
int node_find_to_read(const char *path, struct node *ret);
void node_finish(struct node *);
#define cleanup_node __attribute__((cleanup(node_finish)))

int node_list(const struct node *, struct entries *ret);
/* The text of a file; not for NODE_EVENTS. */
int node_read(const struct node *, char **text, size_t *size);

/* Names: is `path` policies/NAME, exports/NAME/policy.conf, or something in their folders? */
bool path_is_policy(const char *path);
bool path_in_edits(const char *path); /* policies/ANY or exports/NAME/ANY */

#endif
