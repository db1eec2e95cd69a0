/* log-rig.h - what was appended to a log, and what is read of it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A log on a medium in memory, used by one thread, as a pool uses it.  No key comes twice, so what
 * should not have come back is seen. */
#ifndef TESTS_LOG_RIG_H
#define TESTS_LOG_RIG_H

#include "log.h"
#include "media.h"

struct log_story {
    struct told {
        struct log_entry entry;
        uint64_t position; /* of its record */
    } * told;
    size_t count, size;
    unsigned damages;
    char why[160]; /* of the last */
};
void story_finish(struct log_story *);
/* What log_read() tells; its end is one where a log can begin, and dirty pages are all there. */
void story_read(struct log_story *, struct media *, const struct super *);
/* `read` is a beginning of what `story` has from position `tail` on, and has what is of its first
 * `durable`. */
void story_survives(const struct log_story *read, const struct log_story *story, uint64_t tail,
                    size_t durable);

struct log_rig {
    struct media *media;
    struct super super;
    struct log *log;
    void (*seal)(void *arg, struct log_append *); /* NULL; set before rig_open() */
    struct log_story story;                       /* read at rig_open() and appended since */
    uint32_t last_place;                          /* of the last page appended */
    uint64_t key;
    struct synced {
        size_t ops, count; /* after so many of the medium this much of the story was durable */
    } synced[4096];
    size_t syncs;
};

/* A pool whose log has `segments`, and few slots. */
void rig_create(struct log_rig *, unsigned segments);
/* As a pool is opened: the medium records from here on. */
void rig_open(struct log_rig *);
int rig_try(struct log_rig *, uint8_t type, unsigned count, bool last_reserve);
void rig_append(struct log_rig *, uint8_t type, unsigned count);
void rig_sync(struct log_rig *);
void rig_free(struct log_rig *, uint64_t tail); /* as a checkpoint does */
void rig_move_tail(struct log_rig *);           /* to half of what is in force */
size_t rig_durable_after(const struct log_rig *, size_t ops);
/* What is left is `cut`. */
void rig_crash(struct log_rig *, struct media *cut);
void rig_destroy(struct log_rig *);

#endif
