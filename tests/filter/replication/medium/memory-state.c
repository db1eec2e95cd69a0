/* memory-state.c - what is in the folders of a struct memory, and what changes it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "memory-state.h"

#include <stdlib.h>
#include <string.h>

static struct entry *find(const struct state *s, unsigned folder, const char *name)
{
    for (size_t i = 0; i < s->folder[folder].entries; i++)
        if (strcmp(s->folder[folder].entry[i].name, name) == 0)
            return &s->folder[folder].entry[i];
    return NULL;
}

long state_find(const struct state *s, unsigned folder, const char *name)
{
    const struct entry *e = find(s, folder, name);

    return e ? e->file : NO_FILE;
}

struct image **state_file(struct state *s, long file)
{
    const size_t need = (size_t)file + 1;

    if (need > s->files) {
        s->file = memory_must(realloc(s->file, need * sizeof(*s->file)));
        memset(s->file + s->files, 0, (need - s->files) * sizeof(*s->file));
        s->files = need;
    }
    if (!s->file[file])
        s->file[file] = image_create();
    return &s->file[file];
}

static void bind(struct state *s, unsigned folder, const char *name, long file)
{
    struct entry *e = find(s, folder, name);

    if (!e) {
        size_t *n = &s->folder[folder].entries;
        e = memory_must(realloc(s->folder[folder].entry, (*n + 1) * sizeof(*e)));
        s->folder[folder].entry = e;
        e += (*n)++;
        e->name = memory_must(strdup(name));
    }
    e->file = file;
}

static void unbind(struct state *s, unsigned folder, const char *name)
{
    struct entry *e = find(s, folder, name);

    if (!e)
        return;
    free(e->name);
    *e = s->folder[folder].entry[--s->folder[folder].entries];
}

bool op_names(const struct op *op)
{
    return op->kind == MEMORY_MAKE || op->kind == MEMORY_REMOVE || op->kind == MEMORY_RENAME;
}

void state_apply(struct state *s, const struct op *op)
{
    switch (op->kind) {
    case MEMORY_WRITE:
        image_write(state_file(s, op->file), op->data, op->length, op->offset);
        break;
    case MEMORY_ZERO:
        image_zero(state_file(s, op->file), op->length, op->offset);
        break;
    case MEMORY_TRUNCATE:
        image_truncate(state_file(s, op->file), op->length);
        break;
    case MEMORY_MAKE:
        bind(s, op->folder, op->name, op->file);
        break;
    case MEMORY_REMOVE:
        unbind(s, op->folder, op->name);
        break;
    case MEMORY_RENAME:
        unbind(s, op->folder, op->name);
        bind(s, op->folder, op->new, op->file);
        break;
    case MEMORY_SYNC:
    case MEMORY_SYNC_FAILED:
    case MEMORY_SYNC_NAMES:
        break;
    }
}

void state_copy_names(struct state *to, const struct state *from)
{
    *to = (struct state){ 0 };
    for (unsigned f = 0; f < FOLDERS; f++)
        for (size_t i = 0; i < from->folder[f].entries; i++)
            bind(to, f, from->folder[f].entry[i].name, from->folder[f].entry[i].file);
}

void state_copy(struct state *to, const struct state *from)
{
    state_copy_names(to, from);
    to->files = from->files;
    to->file = memory_must(calloc(to->files + 1, sizeof(*to->file)));
    for (size_t i = 0; i < to->files; i++)
        to->file[i] = from->file[i] ? image_share(from->file[i]) : NULL;
}

void state_finish(struct state *s)
{
    for (unsigned f = 0; f < FOLDERS; f++) {
        for (size_t i = 0; i < s->folder[f].entries; i++)
            free(s->folder[f].entry[i].name);
        free(s->folder[f].entry);
    }
    for (size_t i = 0; i < s->files; i++)
        image_release(s->file[i]);
    free(s->file);
    *s = (struct state){ 0 };
}
