/* index-write.c - how does a run of the index become a file?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFERED = 16 }; /* blocks that are written at once */

struct writer {
    struct medium_file *file;
    uint64_t from;
    uint8_t buffer[BUFFERED * BLOCK];
    uint32_t written, buffered; /* blocks */
    uint8_t *block;             /* the one that is being filled: of the buffer */
    unsigned in_block;
    uint64_t entries;
    uint64_t *first; /* the first place of each block of the level below */
    size_t firsts, room;
};

static int write_buffer(struct writer *w)
{
    int r = w->buffered ? file_write(w->file, w->buffer, (size_t)w->buffered * BLOCK,
                                     (uint64_t)w->written * BLOCK)
                        : 0;

    w->written += w->buffered;
    w->buffered = 0;
    return r;
}

static void begin_block(struct writer *w)
{
    w->block = w->buffer + (size_t)w->buffered * BLOCK;
    w->in_block = 0;
    memset(w->block, 0, BLOCK);
}

static int end_block(struct writer *w, unsigned kind)
{
    const uint32_t number = w->written + w->buffered;

    block_seal(w->block,
               &(struct block_head){ .kind = kind, .number = number, .count = w->in_block });
    w->in_block = 0;
    w->buffered++;
    return w->buffered == BUFFERED ? write_buffer(w) : 0;
}

static int note_first(struct writer *w, uint64_t place)
{
    if (w->firsts == w->room) {
        const size_t room = w->room ? w->room * 2 : 512;
        uint64_t *grown = realloc(w->first, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        w->first = grown;
        w->room = room;
    }
    w->first[w->firsts++] = place;
    return 0;
}

static int put_entry(struct writer *w, const struct entry *e)
{
    int r = 0;

    if (!w->in_block) {
        begin_block(w);
        r = note_first(w, e->place);
    }
    leaf_put(w->block, w->in_block++, e, w->from);
    w->entries++;
    if (!r && w->in_block == LEAF_ENTRIES)
        r = end_block(w, BLOCK_LEAF);
    return r;
}

/* One level of the tree over w->first, whose blocks begin at `child`: w->first is of it then. */
static int put_level(struct writer *w, uint32_t child)
{
    const size_t children = w->firsts;
    size_t blocks = 0;
    int r = 0;

    for (size_t done = 0; done < children && !r; blocks++) {
        const uint64_t place = w->first[done];
        begin_block(w);
        inner_put_child(w->block, child + (uint32_t)done);
        while (done < children && w->in_block < INNER_PLACES)
            inner_put(w->block, w->in_block++, w->first[done++]);
        r = end_block(w, BLOCK_INNER);
        w->first[blocks] = place; /* behind what was read */
    }
    w->firsts = blocks;
    return r;
}

static int put_tree(struct writer *w, const struct run *run)
{
    struct run_header h = {
        .from = run->from, .to = run->to, .facts = run->facts, .entries = w->entries
    };
    uint32_t child = 0;
    int r = w->in_block ? end_block(w, BLOCK_LEAF) : 0;

    h.leaves = (uint32_t)w->firsts;
    for (; !r && w->firsts > 1; h.height++) {
        const uint32_t next = w->written + w->buffered;
        r = put_level(w, child);
        child = next;
    }
    if (r)
        return r;
    h.root_number = h.leaves ? w->written + w->buffered - 1 : 0;
    begin_block(w);
    header_put(w->block, &h);
    r = end_block(w, BLOCK_HEADER);
    return r ? r : write_buffer(w);
}

/* The order that a crash needs: all bytes, then the name. */
int run_write(const struct run *run, struct medium *m, struct sweep *sweep, uint64_t trimmed)
{
    char name[RUN_NAME], draft[RUN_NAME + 8];
    struct writer *w = calloc(1, sizeof *w);
    struct entry e;
    int r;

    if (!w)
        return -ENOMEM;
    w->from = run->from;
    run_name(run, name);
    snprintf(draft, sizeof draft, "%s" RUN_DRAFT, name);
    r = m->open(m, draft, MEDIUM_CREATE, &w->file);
    if (r) {
        free(w);
        return r;
    }
    r = w->file->truncate(w->file, 0);
    while (!r && (r = sweep_next(sweep, &e)) > 0)
        r = e.position < trimmed ? 0 : put_entry(w, &e);
    if (!r)
        r = put_tree(w, run);
    if (!r)
        r = file_sync(w->file);
    w->file->close(w->file);
    free(w->first);
    free(w);
    if (!r)
        r = m->rename(m, draft, name);
    if (r)
        m->remove(m, draft);
    return r ? r : m->sync(m);
}
