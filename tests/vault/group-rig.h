/* group-rig.h - what do tests of a group share: a vault in a folder, and a source that has the
 * token
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_VAULT_GROUP_RIG_H
#define TEST_VAULT_GROUP_RIG_H

#include "source.h"

#include "group.h"

struct group_rig {
    char *folder;
    struct vault_config config;
    struct group *group;
    struct source source;
    struct lineage lineage; /* the source's */
};

/* A vault in a new folder that keeps history, and its group "g"; no source yet. */
void group_rig_init(struct group_rig *);
void group_rig_finish(struct group_rig *); /* the folder goes */
void group_rig_again(struct group_rig *);  /* closed, and opened again */
/* The source asks for the token, and takes from the status where it goes on. */
int rig_acquire(struct group_rig *);
int rig_command(struct group_rig *, enum command_op, uint64_t lsn);
/* Sends a frame and frees it. */
int group_send(struct group_rig *, struct sent, bool fua);
/* Declares disk 0, "vm", of `size` bytes, and fills the first 64 KiB with `byte`: state(2). */
void rig_first_copy(struct group_rig *, uint64_t size, int byte);
struct status rig_status(struct group_rig *);
/* Until it is at `lsn`. */
void rig_wait_applied(struct group_rig *, uint64_t lsn);
/* Every byte of the range of the head of disk 0. */
void rig_expect_head(struct group_rig *, uint64_t offset, size_t length, int byte);

#endif
