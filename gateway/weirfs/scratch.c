/* scratch.c - where do editors leave their swap, backup and temporary files?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scratch.h"

#include "../scope.h"
#include "buffer.h"

#include <ctype.h>
#include <fnmatch.h>

struct scratch {
    struct scratch *next;
    char *path;    /* NULL: unlinked */
    unsigned refs; /* one is the list's */
    struct buffer text;
    struct timespec changed;
    unsigned mode; /* 0: as a policy's */
};

/* One for the process: paths are those of its one mount. */
static struct {
    pthread_mutex_t lock; /* the list and each file in it; nothing is taken under it */
    struct scratch *list;
    unsigned count;
    size_t bytes;
} files = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* vim asks whether it may make files with 4913, 5036, … */
static bool vim_test(const char *name)
{
    char *end;

    if (!isdigit((unsigned char)*name))
        return false;
    unsigned long number = strtoul(name, &end, 10);
    return !*end && number >= 4913 && number < 10000 && (number - 4913) % 123 == 0;
}

bool scratch_name(const char *name)
{
    static const char *const patterns[] = {
        ".*",           "*~",     "#*#",      "sed??????", "*.sw?",    "*.swpx",    "*.tmp",
        "*.temp",       "*.bak",  "*.orig",   "*.rej",     "*.new",    "*.old",     "*.save",
        "*.save.[0-9]", "*.part", "*.dpkg-*", "*.ucf-*",   "*.rpmnew", "*.rpmsave",
    };

    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return vim_test(name);
}

/* ---- with the lock held ------------------------------------------------------ */

static struct scratch **find(const char *path)
{
    for (struct scratch **at = &files.list; *at; at = &(*at)->next)
        if (strcmp((*at)->path, path) == 0)
            return at;
    return NULL;
}

static void unref(struct scratch *s)
{
    if (--s->refs)
        return;
    files.bytes -= s->text.capacity;
    files.count--;
    buffer_finish(&s->text);
    free(s->path);
    free(s);
}

static void unlink_at(struct scratch **at)
{
    struct scratch *s = *at;

    *at = s->next;
    free(steal(s->path));
    unref(s);
}

static struct scratch *add(const char *path)
{
    struct scratch *s = calloc(1, sizeof(*s));

    if (!s || !(s->path = strdup(path))) {
        free(s);
        return NULL;
    }
    s->refs = 1;
    clock_gettime(CLOCK_REALTIME, &s->changed);
    s->next = files.list;
    files.list = s;
    files.count++;
    return s;
}

static int resize(struct scratch *s, size_t size)
{
    size_t before = s->text.capacity;

    if (size > TEXT_BYTES)
        return -EFBIG;
    if (size > before && files.bytes + size - before > SCRATCH_BYTES)
        return -ENOSPC;
    int error = buffer_resize(&s->text, size);
    files.bytes += s->text.capacity - before;
    clock_gettime(CLOCK_REALTIME, &s->changed);
    return error;
}

static int write_to(struct scratch *s, const char *bytes, size_t size, uint64_t offset)
{
    if (offset > TEXT_BYTES || size > TEXT_BYTES)
        return -EFBIG;
    int error = offset + size > s->text.size ? resize(s, (size_t)offset + size) : 0;
    if (error)
        return error;
    clock_gettime(CLOCK_REALTIME, &s->changed);
    return buffer_write(&s->text, bytes, size, (size_t)offset);
}

/* ---- names ------------------------------------------------------------------- */

int scratch_create(const char *path, struct scratch **ret)
{
    hold_lock(&files.lock);

    if (find(path))
        return -EEXIST;
    if (files.count >= SCRATCH_FILES)
        return -ENOSPC;
    struct scratch *s = add(path);
    if (!s)
        return -ENOMEM;
    s->refs++;
    *ret = s;
    return 0;
}

struct scratch *scratch_find(const char *path)
{
    hold_lock(&files.lock);
    struct scratch **at = find(path);

    if (!at)
        return NULL;
    (*at)->refs++;
    return *at;
}

void scratch_unref(struct scratch *s)
{
    if (!s)
        return;
    hold_lock(&files.lock);
    unref(s);
}

int scratch_remove(const char *path)
{
    hold_lock(&files.lock);
    struct scratch **at = find(path);

    if (!at)
        return -ENOENT;
    unlink_at(at);
    return 0;
}

int scratch_rename(const char *from, const char *to)
{
    char *copy = strdup(to);
    hold_lock(&files.lock);
    struct scratch **at = find(from), **target = find(to);

    if (!at || !copy || at == target) {
        free(copy);
        return !copy ? -ENOMEM : at ? 0 : -ENOENT;
    }
    struct scratch *s = *at;
    if (target)
        unlink_at(target);
    free(s->path);
    s->path = copy;
    return 0;
}

int scratch_put(const char *path, const char *text, size_t size)
{
    hold_lock(&files.lock);
    struct scratch **at = find(path);

    if (!at && files.count >= SCRATCH_FILES)
        return -ENOSPC;
    struct scratch *s = at ? *at : add(path);
    if (!s)
        return -ENOMEM;
    int error = resize(s, 0);
    return error ? error : write_to(s, text, size, 0);
}

int scratch_each(const char *folder, int (*each)(void *context, const char *name), void *context)
{
    size_t length = strlen(folder);
    int error = 0;
    hold_lock(&files.lock);

    for (const struct scratch *s = files.list; s && !error; s = s->next)
        if (strncmp(s->path, folder, length) == 0 && s->path[length] == '/' &&
            !strchr(s->path + length + 1, '/'))
            error = each(context, s->path + length + 1);
    return error;
}

void scratch_finish(void)
{
    hold_lock(&files.lock);

    while (files.list)
        unlink_at(&files.list);
}

/* ---- one file ---------------------------------------------------------------- */

size_t scratch_read(struct scratch *s, char *buffer, size_t size, uint64_t offset)
{
    hold_lock(&files.lock);

    return buffer_read(&s->text, buffer, size, offset);
}

int scratch_write(struct scratch *s, const char *bytes, size_t size, uint64_t offset, bool append)
{
    hold_lock(&files.lock);

    return write_to(s, bytes, size, append ? s->text.size : offset);
}

int scratch_resize(struct scratch *s, uint64_t size)
{
    hold_lock(&files.lock);

    return size > TEXT_BYTES ? -EFBIG : resize(s, (size_t)size);
}

void scratch_stat(struct scratch *s, size_t *size, struct timespec *changed, unsigned *mode)
{
    hold_lock(&files.lock);

    *size = s->text.size;
    *changed = s->changed;
    *mode = s->mode;
}

void scratch_chmod(struct scratch *s, unsigned mode)
{
    hold_lock(&files.lock);

    s->mode = mode;
}

int scratch_text(struct scratch *s, char **text, size_t *size)
{
    hold_lock(&files.lock);

    return buffer_copy(&s->text, text, size);
}
