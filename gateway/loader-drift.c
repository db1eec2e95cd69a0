/* loader-drift.c - does an export run the filter that is installed?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loader-private.h"

#include "scope.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct loader_mark mark_of(const char *path)
{
    struct stat st;

    if (!path || stat(path, &st))
        return (struct loader_mark){ 0 };
    return (struct loader_mark){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
}

static bool marks_equal(const struct loader_mark *a, const struct loader_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* What vouches for a file of a package lies beside it. */
static char *manifest_beside(const char *real)
{
    char *path = NULL;

    if (asprintf(&path, "%.*s/manifest", (int)(strrchr(real, '/') - real), real) < 0)
        return NULL;
    return path;
}

/* What is wrong with `path`, where the filter would be looked for; NULL: it is nowhere. */
static void compare(const struct library *l, const char *path, const struct loader_guard *guard,
                    struct weir_text *why)
{
    struct loader_file now = { .fd = -1 };
    cleanup_text struct weir_text reason = { 0 };

    if (!path) {
        weir_print(why, "the file of filter %s, which was %s, is gone: install it again",
                   l->filter.name, l->path);
        return;
    }
    if (loader_file_read(path, &now, &reason)) {
        weir_print(why, "filter %s: %s", l->filter.name, text_string(&reason));
        return;
    }
    if (!loader_file_equal(&l->file, &now)) {
        weir_print(why,
                   "filter %s runs with version %s as it was loaded, and %s is another file now: "
                   "\"weirctl filter upgrade %s\" goes over to it",
                   l->filter.name, l->filter.version, path, l->filter.name);
    } else if (guard) {
        const void *bytes = loader_file_map(&now);
        if (bytes && guard->vouch(l->filter.name, now.real, bytes, now.size, &reason))
            weir_print(why, "filter %s: %s", l->filter.name, text_string(&reason));
        loader_file_unmap(&now, bytes);
    }
    loader_file_finish(&now);
}

/* Looks without the lock; of two that look at once the later one is remembered. */
int loader_drift(struct library *l, struct weir_text *why)
{
    if (!l->handle)
        return 0;
    pthread_mutex_lock(&loader.lock);
    const struct loader_guard *guard = loader.guard;
    cleanup_free char *path = loader_find(l->filter.name);
    cleanup_free char *manifest = manifest_beside(l->file.real);
    struct loader_file before = l->file;
    cleanup_free char *drift = before.drift ? strdup(before.drift) : NULL;
    pthread_mutex_unlock(&loader.lock);
    const struct loader_mark mark = mark_of(path), beside = mark_of(manifest);
    const uint64_t stamp = guard ? guard->stamp() : 0;
    if (!before.seen || !marks_equal(&before.mark, &mark) ||
        !marks_equal(&before.manifest, &beside) || before.stamp != stamp) {
        cleanup_text struct weir_text found = { 0 };
        compare(l, path, guard, &found);
        free(drift);
        drift = found.length ? text_take(&found) : NULL;
        hold_lock(&loader.lock);
        free(l->file.drift);
        l->file.drift = drift ? strdup(drift) : NULL;
        l->file.mark = mark;
        l->file.manifest = beside;
        l->file.stamp = stamp;
        l->file.seen = true;
    }
    if (!drift)
        return 0;
    weir_print(why, "%s", drift);
    return -ESTALE;
}
