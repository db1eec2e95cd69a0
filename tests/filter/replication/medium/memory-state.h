/* memory-state.h - what is in the folders of a struct memory, and what changes it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MEMORY_STATE_H
#define TESTS_MEMORY_STATE_H

#include "medium-memory.h"
#include "memory-image.h"

#include <pthread.h>

enum { NO_FILE = -1, FOLDERS = 64, SECTOR_SIZE = 512 };

struct entry {
    char *name;
    long file;
};

/* Names lead to files, which have numbers: a file may outlive its name, and a name its file. */
struct state {
    struct {
        struct entry *entry;
        size_t entries;
    } folder[FOLDERS];
    struct image **file; /* by number; NULL: empty */
    size_t files;
};

struct op {
    enum memory_kind kind;
    unsigned folder;
    long file; /* NO_FILE: SYNC_NAMES */
    uint64_t offset, length;
    void *data;       /* WRITE */
    char *name, *new; /* MAKE, REMOVE, RENAME; of the others the name is for people */
};

long state_find(const struct state *, unsigned folder, const char *name);
struct image **state_file(struct state *, long file);
void state_apply(struct state *, const struct op *); /* syncs change nothing */
void state_copy(struct state *to, const struct state *from);
void state_copy_names(struct state *to, const struct state *from);
void state_finish(struct state *);
bool op_names(const struct op *); /* it is about names, not bytes */

struct memory {
    /* Guards all that follows; a leaf. */
    pthread_mutex_t lock;
    char *folder[FOLDERS]; /* their names: a folder itself is durable at once */
    unsigned folders;
    struct state now;
    bool *taken; /* by file */
    size_t taken_size;

    bool records;
    struct op *op;
    size_t ops, ops_size;
    /* for cuts (medium-memory-cut.c): as it was before the first op; with all that was durable
     * before `cut_ops` ops; and which of those were not */
    struct state base, durable;
    size_t cut_ops;
    size_t *pending, pendings, pending_size;

    struct {
        char name[64];
        unsigned after;
        int times, error;
    } fail[MEMORY_CALLS];
    uint64_t calls[MEMORY_CALLS];
    uint64_t room;
    void (*gate)(void *arg, enum memory_call, const char *name, uint64_t offset);
    void *gate_arg;
};

#endif
