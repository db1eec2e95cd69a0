/* medium-memory.c - how do folders and files live in memory, and how is all that happens noted?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "medium-memory.h"

#include "memory-state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct handle {
    struct medium_file file;
    struct memory *memory;
    unsigned folder;
    long number;
    bool writes, took, sync_failed;
    char *name; /* when it was opened */
};

struct place {
    struct medium medium;
    struct memory *memory;
    unsigned folder;
    bool sync_failed;
};

/* ---- every call ----------------------------------------------------------------------------- */

static void pass_gate(struct memory *m, enum memory_call call, const char *name, uint64_t offset)
{
    pthread_mutex_lock(&m->lock);
    void (*gate)(void *, enum memory_call, const char *, uint64_t) = m->gate;
    void *arg = m->gate_arg;
    pthread_mutex_unlock(&m->lock);
    if (gate)
        gate(arg, call, name, offset);
}

/* Under the lock. */
static int trouble(struct memory *m, enum memory_call call, const char *name)
{
    m->calls[call]++;
    if (!m->fail[call].times || (m->fail[call].name[0] && strcmp(m->fail[call].name, name) != 0))
        return 0;
    if (m->fail[call].after) {
        m->fail[call].after--;
        return 0;
    }
    if (m->fail[call].times > 0)
        m->fail[call].times--;
    return -m->fail[call].error;
}

/* Under the lock: it has happened. */
static void happen(struct memory *m, struct op op)
{
    state_apply(&m->now, &op);
    if (!m->records)
        return;
    if (m->ops == m->ops_size) {
        m->ops_size = m->ops_size ? 2 * m->ops_size : 256;
        m->op = memory_must(realloc(m->op, m->ops_size * sizeof(*m->op)));
    }
    if (op.data)
        op.data = memcpy(memory_must(malloc(op.length)), op.data, op.length);
    op.name = memory_must(strdup(op.name));
    op.new = op.new ? memory_must(strdup(op.new)) : NULL;
    m->op[m->ops++] = op;
}

static struct op op_of(const struct handle *h, enum memory_kind kind, uint64_t length,
                       uint64_t offset)
{
    return (struct op){ kind, h->folder, h->number, offset, length, NULL, h->name, NULL };
}

/* ---- files ---------------------------------------------------------------------------------- */

static int memory_read(struct medium_file *f, void *data, size_t length, uint64_t offset)
{
    struct handle *h = (struct handle *)f;
    struct memory *m = h->memory;

    pass_gate(m, MEMORY_CALL_READ, h->name, offset);
    pthread_mutex_lock(&m->lock);
    int r = trouble(m, MEMORY_CALL_READ, h->name);
    if (!r)
        image_read(*state_file(&m->now, h->number), data, length, offset);
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* Under the lock: does a write of so many bytes find room?  Holes in what it covers it must fill.
 */
static bool has_room(struct memory *m, size_t length)
{
    uint64_t pages = 0;

    if (m->room == UINT64_MAX)
        return true;
    for (size_t i = 0; i < m->now.files; i++)
        pages += m->now.file[i] ? image_pages(m->now.file[i]) : 0;
    return pages * 4096 + length <= m->room;
}

static int memory_write(struct medium_file *f, const struct iovec *iov, int count, uint64_t offset)
{
    struct handle *h = (struct handle *)f;
    struct memory *m = h->memory;
    size_t length = 0, at = 0;

    for (int i = 0; i < count; i++)
        length += iov[i].iov_len;
    uint8_t *data = memory_must(malloc(length + 1));
    for (int i = 0; i < count; at += iov[i++].iov_len)
        if (iov[i].iov_len)
            memcpy(data + at, iov[i].iov_base, iov[i].iov_len);
    pass_gate(m, MEMORY_CALL_WRITE, h->name, offset);
    pthread_mutex_lock(&m->lock);
    int r = !h->writes ? -EBADF : trouble(m, MEMORY_CALL_WRITE, h->name);
    if (!r && !has_room(m, length))
        r = -ENOSPC;
    if (r)
        length = r == -EBADF ? 0 : length / 2 / SECTOR_SIZE * SECTOR_SIZE;
    struct op op = op_of(h, MEMORY_WRITE, length, offset);
    op.data = data;
    if (length)
        happen(m, op);
    pthread_mutex_unlock(&m->lock);
    free(data);
    return r;
}

static int change(struct handle *h, enum memory_kind kind, uint64_t length, uint64_t offset)
{
    struct memory *m = h->memory;

    pass_gate(m, MEMORY_CALL_WRITE, h->name, offset);
    pthread_mutex_lock(&m->lock);
    int r = !h->writes ? -EBADF : trouble(m, MEMORY_CALL_WRITE, h->name);
    if (!r)
        happen(m, op_of(h, kind, length, offset));
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_zero(struct medium_file *f, uint64_t length, uint64_t offset)
{
    return change((struct handle *)f, MEMORY_ZERO, length, offset);
}

static int memory_truncate(struct medium_file *f, uint64_t size)
{
    return change((struct handle *)f, MEMORY_TRUNCATE, size, 0);
}

static int memory_sync(struct medium_file *f)
{
    struct handle *h = (struct handle *)f;
    struct memory *m = h->memory;

    pass_gate(m, MEMORY_CALL_SYNC, h->name, 0);
    pthread_mutex_lock(&m->lock);
    int r = h->sync_failed ? -EIO : trouble(m, MEMORY_CALL_SYNC, h->name);
    if (!h->sync_failed)
        happen(m, op_of(h, r ? MEMORY_SYNC_FAILED : MEMORY_SYNC, 0, 0));
    h->sync_failed = r != 0;
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_data(struct medium_file *f, uint64_t offset, uint64_t *start, uint64_t *length)
{
    struct handle *h = (struct handle *)f;

    pthread_mutex_lock(&h->memory->lock);
    image_data(*state_file(&h->memory->now, h->number), offset, start, length);
    pthread_mutex_unlock(&h->memory->lock);
    return 0;
}

static int memory_size(struct medium_file *f, uint64_t *ret)
{
    struct handle *h = (struct handle *)f;

    pthread_mutex_lock(&h->memory->lock);
    *ret = image_size(*state_file(&h->memory->now, h->number));
    pthread_mutex_unlock(&h->memory->lock);
    return 0;
}

static void memory_close_file(struct medium_file *f)
{
    struct handle *h = (struct handle *)f;

    pthread_mutex_lock(&h->memory->lock);
    if (h->took)
        h->memory->taken[h->number] = false;
    pthread_mutex_unlock(&h->memory->lock);
    free(h->name);
    free(h);
}

/* ---- folders -------------------------------------------------------------------------------- */

static struct op name_op(const struct place *p, enum memory_kind kind, long file, const char *name,
                         const char *new)
{
    return (struct op){ kind, p->folder, file, 0, 0, NULL, (char *)name, (char *)new };
}

/* Under the lock. */
static int find_or_make(struct place *p, const char *name, unsigned flags, long *file)
{
    struct memory *m = p->memory;

    *file = state_find(&m->now, p->folder, name);
    if (*file != NO_FILE)
        return 0;
    if (!(flags & MEDIUM_CREATE))
        return -ENOENT;
    int r = trouble(m, MEMORY_CALL_NAME, name);
    if (r)
        return r;
    *file = (long)m->now.files;
    state_file(&m->now, *file);
    happen(m, name_op(p, MEMORY_MAKE, *file, name, NULL));
    return 0;
}

static bool take(struct memory *m, long file)
{
    if ((size_t)file >= m->taken_size) {
        m->taken = memory_must(realloc(m->taken, m->now.files * sizeof(bool)));
        memset(m->taken + m->taken_size, 0, (m->now.files - m->taken_size) * sizeof(bool));
        m->taken_size = m->now.files;
    }
    if (m->taken[file])
        return false;
    return m->taken[file] = true;
}

static const struct medium_file file_calls = {
    .read = memory_read,
    .write = memory_write,
    .zero = memory_zero,
    .truncate = memory_truncate,
    .sync = memory_sync,
    .data = memory_data,
    .size = memory_size,
    .close = memory_close_file,
};

static int memory_open(struct medium *medium, const char *name, unsigned flags,
                       struct medium_file **ret)
{
    struct place *p = (struct place *)medium;
    struct memory *m = p->memory;
    long file;

    pass_gate(m, MEMORY_CALL_NAME, name, 0);
    pthread_mutex_lock(&m->lock);
    int r = find_or_make(p, name, flags, &file);
    if (!r && flags & MEDIUM_EXCLUSIVE && !take(m, file))
        r = -EBUSY;
    pthread_mutex_unlock(&m->lock);
    if (r)
        return r;
    struct handle *h = memory_must(calloc(1, sizeof(*h)));
    h->file = file_calls;
    h->memory = m;
    h->folder = p->folder;
    h->number = file;
    h->writes = !(flags & MEDIUM_READ_ONLY);
    h->took = flags & MEDIUM_EXCLUSIVE;
    h->name = memory_must(strdup(name));
    *ret = &h->file;
    return 0;
}

static int memory_remove(struct medium *medium, const char *name)
{
    struct place *p = (struct place *)medium;
    struct memory *m = p->memory;

    pass_gate(m, MEMORY_CALL_NAME, name, 0);
    pthread_mutex_lock(&m->lock);
    const long file = state_find(&m->now, p->folder, name);
    int r = file == NO_FILE ? -ENOENT : trouble(m, MEMORY_CALL_NAME, name);
    if (!r)
        happen(m, name_op(p, MEMORY_REMOVE, file, name, NULL));
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_rename(struct medium *medium, const char *from, const char *to)
{
    struct place *p = (struct place *)medium;
    struct memory *m = p->memory;

    pass_gate(m, MEMORY_CALL_NAME, from, 0);
    pthread_mutex_lock(&m->lock);
    const long file = state_find(&m->now, p->folder, from);
    int r = file == NO_FILE ? -ENOENT : trouble(m, MEMORY_CALL_NAME, from);
    if (!r)
        happen(m, name_op(p, MEMORY_RENAME, file, from, to));
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_sync_names(struct medium *medium)
{
    struct place *p = (struct place *)medium;
    struct memory *m = p->memory;
    const char *name = m->folder[p->folder];

    pass_gate(m, MEMORY_CALL_SYNC_NAMES, name, 0);
    pthread_mutex_lock(&m->lock);
    int r = p->sync_failed ? -EIO : trouble(m, MEMORY_CALL_SYNC_NAMES, name);
    p->sync_failed = r != 0;
    if (!r)
        happen(m, name_op(p, MEMORY_SYNC_NAMES, NO_FILE, name, NULL));
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int memory_list(struct medium *medium, int (*each)(void *arg, const char *name), void *arg)
{
    struct place *p = (struct place *)medium;
    struct memory *m = p->memory;
    struct state names;
    int r = 0;

    pthread_mutex_lock(&m->lock);
    state_copy_names(&names, &m->now);
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; !r && i < names.folder[p->folder].entries; i++)
        r = each(arg, names.folder[p->folder].entry[i].name);
    state_finish(&names);
    return r;
}

static int memory_free_bytes(struct medium *medium, uint64_t *ret)
{
    struct memory *m = ((struct place *)medium)->memory;
    uint64_t low = 0, high = 1ull << 40;

    pthread_mutex_lock(&m->lock);
    while (low < high) { /* the most that has_room() */
        const uint64_t half = low + (high - low + 1) / 2;
        if (has_room(m, half))
            low = half;
        else
            high = half - 1;
    }
    pthread_mutex_unlock(&m->lock);
    *ret = low;
    return 0;
}

static void memory_close(struct medium *medium)
{
    free(medium);
}

struct medium *memory_medium(struct memory *m, const char *folder)
{
    struct place *p = memory_must(calloc(1, sizeof(*p)));

    p->medium = (struct medium){
        .open = memory_open,
        .remove = memory_remove,
        .rename = memory_rename,
        .sync = memory_sync_names,
        .list = memory_list,
        .free_bytes = memory_free_bytes,
        .close = memory_close,
    };
    p->memory = m;
    pthread_mutex_lock(&m->lock);
    while (p->folder < m->folders && strcmp(m->folder[p->folder], folder) != 0)
        p->folder++;
    if (p->folder == FOLDERS)
        abort();
    if (p->folder == m->folders)
        m->folder[m->folders++] = memory_must(strdup(folder));
    pthread_mutex_unlock(&m->lock);
    return &p->medium;
}

/* ---- trouble -------------------------------------------------------------------------------- */

void memory_fail(struct memory *m, enum memory_call call, const char *name, unsigned after,
                 int times, int error)
{
    pthread_mutex_lock(&m->lock);
    snprintf(m->fail[call].name, sizeof(m->fail[call].name), "%s", name ? name : "");
    m->fail[call].after = after;
    m->fail[call].times = times;
    m->fail[call].error = error;
    pthread_mutex_unlock(&m->lock);
}

void memory_room(struct memory *m, uint64_t bytes)
{
    pthread_mutex_lock(&m->lock);
    m->room = bytes;
    pthread_mutex_unlock(&m->lock);
}

void memory_gate(struct memory *m,
                 void (*gate)(void *arg, enum memory_call, const char *name, uint64_t offset),
                 void *arg)
{
    pthread_mutex_lock(&m->lock);
    m->gate = gate;
    m->gate_arg = arg;
    pthread_mutex_unlock(&m->lock);
}

uint64_t memory_calls(struct memory *m, enum memory_call call)
{
    pthread_mutex_lock(&m->lock);
    const uint64_t n = m->calls[call];
    pthread_mutex_unlock(&m->lock);
    return n;
}
