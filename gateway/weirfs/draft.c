/* draft.c - when is a text that a tool writes into a policy whole, and may it be applied?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"

#include "buffer.h"
#include "policy.h"
#include "scratch.h"
#include "veil.h"

#include <stdio.h>

struct draft {
    char *path;
    pid_t opener;
    bool append;
    pthread_mutex_t lock; /* all below; that of the veils may follow */
    struct buffer text;
    bool pending; /* the name is not the gateways' yet */
    bool dirty;   /* there is something to apply */
    bool tried;   /* this very text was refused */
    bool refused; /* it can become nothing: what was written is forgotten */
};

/* Threads of one process are one closer. */
static pid_t process_of(pid_t thread)
{
    char path[sizeof("/proc/4294967295/status")], line[128];
    long process = thread;

    snprintf(path, sizeof(path), "/proc/%u/status", (unsigned)thread);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Tgid: %ld", &process) == 1)
            break;
    if (file)
        fclose(file);
    return (pid_t)process;
}

int draft_open(const char *path, unsigned flags, pid_t opener, struct draft **ret)
{
    struct draft *d = calloc(1, sizeof(*d));
    int error = d && (d->path = strdup(path)) ? 0 : -ENOMEM;

    if (!error && (flags & DRAFT_NEW))
        error = veil_pend(path);
    else if (!error && !(flags & DRAFT_EMPTY))
        error = policy_get(path, &d->text.bytes, &d->text.size);
    if (error) {
        if (d)
            free(d->path);
        free(d);
        return error;
    }
    d->text.capacity = d->text.size;
    d->opener = process_of(opener);
    d->append = flags & DRAFT_APPEND;
    d->pending = flags & DRAFT_NEW;
    pthread_mutex_init(&d->lock, NULL);
    *ret = d;
    return 0;
}

size_t draft_read(struct draft *d, char *buffer, size_t size, uint64_t offset)
{
    hold_lock(&d->lock);

    return buffer_read(&d->text, buffer, size, offset);
}

size_t draft_size(struct draft *d)
{
    hold_lock(&d->lock);

    return d->text.size;
}

/* ---- write ------------------------------------------------------------------- */

/* The text as it would be; *last: the write ends where the text ends. */
static int with_write(struct draft *d, const char *bytes, size_t size, uint64_t offset,
                      struct buffer *ret, bool *last)
{
    hold_lock(&d->lock);

    if (d->refused)
        return -EINVAL;
    if (d->append)
        offset = d->text.size;
    if (offset > TEXT_BYTES || size > TEXT_BYTES - offset)
        return -EFBIG;
    int error = buffer_write(ret, d->text.bytes, d->text.size, 0);
    if (!error)
        error = buffer_write(ret, bytes, size, (size_t)offset);
    *last = offset + size == ret->size;
    return error;
}

/* A tool that writes by blocks may have cut a word in two: a mistake in the very last one
 * may be none when the rest has come. */
static bool may_be_cut(const struct buffer *text, const struct refusal *why)
{
    const char *last = memrchr(text->bytes, '\n', text->size);
    size_t start = last ? (size_t)(last + 1 - text->bytes) : 0;
    unsigned line = 1;

    for (size_t i = 0; i < start; i++)
        line += text->bytes[i] == '\n';
    return why->at_end || (why->line == line && start + why->end == text->size);
}

int draft_write(struct draft *d, const char *bytes, size_t size, uint64_t offset)
{
    cleanup_buffer struct buffer text = { 0 };
    cleanup_refusal struct refusal why = { 0 };
    bool last;

    if (!size)
        return 0;
    int error = with_write(d, bytes, size, offset, &text, &last);
    if (error)
        return error;
    if (last) {
        error = policy_check(d->path, text.bytes, text.size, &why);
        if (error && may_be_cut(&text, &why))
            error = 0;
    }
    hold_lock(&d->lock);
    if (error) {
        d->refused = true;
        d->dirty = false;
        return error;
    }
    buffer_finish(&d->text);
    d->text = text;
    text = (struct buffer){ 0 };
    d->dirty = true;
    d->tried = false;
    if (d->pending)
        veil_size(d->path, d->text.size);
    return 0;
}

int draft_resize(struct draft *d, uint64_t size)
{
    hold_lock(&d->lock);

    if (d->refused)
        return -EINVAL;
    if (size > TEXT_BYTES)
        return -EFBIG;
    if (size && size != d->text.size) { /* to 0 is what O_TRUNC is */
        d->dirty = true;
        d->tried = false;
    }
    return buffer_resize(&d->text, (size_t)size);
}

/* ---- close ------------------------------------------------------------------- */

/* The text to apply now.  -EALREADY: there is none. */
static int to_apply(struct draft *d, char **text, size_t *size)
{
    size_t ignored;
    hold_lock(&d->lock);

    /* a name that was unlinked while this file was open is no policy any more */
    if (d->pending && veil_of(d->path, &ignored) != VEIL_PENDING)
        d->dirty = false;
    if (!d->dirty || d->refused)
        return -EALREADY;
    return buffer_copy(&d->text, text, size);
}

static int apply(struct draft *d)
{
    cleanup_free char *text = NULL;
    cleanup_refusal struct refusal why = { 0 };
    size_t size;
    int error = to_apply(d, &text, &size);

    if (error)
        return error == -EALREADY ? 0 : error;
    error = policy_set(d->path, text, size, &why);
    hold_lock(&d->lock);
    if (error) {
        d->tried = true;
        d->refused = !why.at_end; /* else more may come */
        return error;
    }
    d->dirty = d->pending = false;
    veil_lift(d->path);
    return 0;
}

int draft_sync(struct draft *d)
{
    return apply(d);
}

int draft_close(struct draft *d, pid_t closer)
{
    if (process_of(closer) != d->opener)
        return 0;
    return apply(d);
}

void draft_release(struct draft *d)
{
    if (!d->tried) /* nobody is there to be told; last_error is */
        apply(d);
    if (d->pending) {
        veil_close(d->path);
        policy_restore(d->path);
        if (d->refused || d->dirty)
            veil_lift(d->path);
    }
}

void draft_destroy(struct draft *d)
{
    if (!d)
        return;
    buffer_finish(&d->text);
    pthread_mutex_destroy(&d->lock);
    free(d->path);
    free(d);
}
