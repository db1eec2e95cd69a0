/* index-run.h - what is a run of the index, and how is one read and written?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A file of blocks of 4 KiB, each with a digest; a tree that is written once, from left to right:
 *
 *   | leaf 0 | leaf 1 | … | inner | … | root | header |        read: the last two at once, then
 *                                                               one block per level of the tree
 *
 * A leaf has entries, an inner block the first places of its children, which lie one after the
 * other.  A run that is too young to be a file is an array in memory. */
#ifndef WEIR_VAULT_INDEX_RUN_H
#define WEIR_VAULT_INDEX_RUN_H

#include "vault.h"

#include <stdatomic.h>

/* Where on which disk, as one number: the order of all that is sorted here.  A disk is smaller than
 * 2^56 bytes. */
static inline uint64_t place_of(unsigned disk, uint64_t offset)
{
    return (uint64_t)disk << 56 | offset;
}
enum { PLACE_DISK_SHIFT = 56 };

struct entry {
    uint64_t place, lsn, position;
    uint32_t length;
    uint32_t at; /* of the data in the frame's payload; ENTRY_ZERO: there is none */
};
#define ENTRY_ZERO UINT32_MAX

static inline uint64_t entry_end(const struct entry *e)
{
    return e->place + e->length;
}
/* The part of it in [from, to), which must not be empty. */
struct entry entry_clip(const struct entry *, uint64_t from, uint64_t to);

/* What is known of the frames that a run is of. */
struct run_facts {
    uint64_t first; /* position of the first frame */
    uint64_t first_lsn, last_lsn, time, arrived;
};

void run_facts_add(struct run_facts *, const struct frame *); /* all zero: none was added */

enum { LEVELS = 5, FAN = 16, BLOCK = 4096 };
/* Bytes of log that a run of a level covers; it begins at a multiple of that. */
static inline uint64_t level_span(unsigned level)
{
    return (uint64_t)SEGMENT << 4 * level;
}

/* One run.  It never changes but for `facts`, which are of a file only known once it was read. */
struct run {
    atomic_uint users;
    atomic_uint known; /* 2: facts are; 1: somebody is writing them */
    bool in_memory;
    unsigned level;
    uint64_t from, to, id; /* id: for the cache */
    struct run_facts facts;
    struct entry *entries; /* in memory: sorted */
    size_t count;
};
struct run *run_create(unsigned level, uint64_t from, uint64_t to);
struct run *run_hold(struct run *);
void run_put(struct run *); /* NULL is fine */
enum { RUN_NAME = 48 };
#define RUN_DRAFT ".new" /* behind its name, until it is finished */
void run_name(const struct run *, char out[RUN_NAME]);
/* Is that a run's name?  1: yes; 0: no; -1: it was not finished, and can go. */
int run_parse(const char *name, unsigned *level, uint64_t *from, uint64_t *to);

/* ---- blocks that were read lately, of all runs of an index -------------------------------------
 */

struct cache;
struct block {
    atomic_uint users;
    uint64_t run;
    uint32_t number;
    uint8_t bytes[BLOCK];
};
struct cache *cache_create(unsigned blocks); /* NULL: no memory */
void cache_destroy(struct cache *);
struct block *cache_find(struct cache *, uint64_t run, uint32_t number); /* NULL: not there */
void cache_keep(struct cache *, struct block *);
void block_put(struct block *); /* NULL is fine */

/* ---- reading -----------------------------------------------------------------------------------
 */

/* A run that is open: of one view, or of a merge. */
struct source {
    struct run *run;
    struct medium_file *file; /* NULL: in memory */
    uint32_t leaves, height, root_number;
    uint64_t entries;
    struct run_facts facts;
    uint8_t *root;
};
/* -ENOENT: it is gone; -EBADMSG: damaged. */
int source_open(struct source *, struct medium *, struct run *);
void source_close(struct source *);

struct cursor {
    const struct source *source;
    struct cache *cache; /* NULL: it reads from left to right, many leaves at once */
    bool ended;
    struct entry now; /* if not ended */
    size_t index;     /* in memory: of entries */
    uint32_t leaf, in_leaf;
    const uint8_t *bytes; /* of the leaf */
    struct block *block;
    uint8_t *ahead; /* leaves [ahead_first, +ahead_count) */
    uint32_t ahead_first, ahead_count;
    bool begun;
};
/* Goes on to the first entry that ends behind `place`; never back. */
int cursor_reach(struct cursor *, uint64_t place);
void cursor_finish(struct cursor *);

/* What the newest of several sources has to say of [place, end), in ascending order. */
struct sweep {
    struct cursor *cursor;  /* newest first */
    unsigned count, failed; /* failed: which could not be read */
    uint64_t place, end;
};
int sweep_init(struct sweep *, unsigned count, uint64_t place, uint64_t end);
/* 1: an entry; 0: no more; -errno. */
int sweep_next(struct sweep *, struct entry *ret);
void sweep_finish(struct sweep *);

/* Entries in the order of their LSN become sorted ones that do not overlap. */
int entries_resolve(const struct entry *, size_t count, struct entry **ret, size_t *ret_count);

/* Entries that grow at the end. */
struct entries {
    struct entry *entry;
    size_t count, room;
};
int entries_add(struct entries *, const struct entry *);
int entries_add_frame(struct entries *, const struct frame *, const void *payload);
void entries_finish(struct entries *);

/* ---- writing -----------------------------------------------------------------------------------
 */

/* Writes what the sweep gives as the file of a run, whole or not at all; entries of frames before
 * `trimmed` are left out. */
int run_write(const struct run *, struct medium *, struct sweep *, uint64_t trimmed);

/* ---- the blocks themselves (index-block.c) -----------------------------------------------------
 */

enum { BLOCK_LEAF = 1, BLOCK_INNER, BLOCK_HEADER };
enum { LEAF_ENTRIES = (BLOCK - 16) / 28, INNER_PLACES = (BLOCK - 24) / 8 };
struct block_head {
    unsigned kind;
    uint32_t number, count;
};
void block_seal(uint8_t *bytes, const struct block_head *);
uint32_t block_count(const uint8_t *bytes);
int block_check(const uint8_t *bytes, unsigned kind, uint32_t number, uint32_t *count);
void leaf_put(uint8_t *bytes, unsigned index, const struct entry *, uint64_t from);
void leaf_get(const uint8_t *bytes, unsigned index, struct entry *ret, uint64_t from);
uint64_t leaf_place(const uint8_t *bytes, unsigned index);
void inner_put(uint8_t *bytes, unsigned index, uint64_t place);
uint64_t inner_place(const uint8_t *bytes, unsigned index);
void inner_put_child(uint8_t *bytes, uint32_t first);
uint32_t inner_child(const uint8_t *bytes);
struct run_header {
    uint64_t from, to, entries;
    uint32_t leaves, height, root_number;
    struct run_facts facts;
};
void header_put(uint8_t *bytes, const struct run_header *);
int header_get(const uint8_t *bytes, struct run_header *ret);

#endif
