/* save.c - how does an accepted change become what a restart reads?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../gateway.h"
#include "../scope.h"
#include "../text.h"
#include "running.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct target {
    char *folder, *base;
    int fd;
    unsigned mode;
    bool is_there; /* and keeps its mode */
};

static void target_finish(struct target *t)
{
    free(t->folder);
    free(t->base);
    if (t->fd >= 0)
        close(t->fd);
}

/* Where the bytes go: through a symbolic link, so that it stays one. */
static int target_open(const char *path, struct target *t)
{
    cleanup_free char *real = realpath(path, NULL);
    struct stat st;

    *t = (struct target){ .fd = -1, .mode = 0640 };
    const char *where = real ? real : path, *slash = strrchr(where, '/');
    t->folder = strndup(where, slash == where ? 1 : (size_t)(slash - where));
    t->base = strdup(slash + 1);
    if (!t->folder || !t->base)
        return -ENOMEM;
    t->is_there = real && !stat(real, &st);
    if (t->is_there)
        t->mode = st.st_mode & 0777;
    int err = make_folders(t->folder, 0750);
    if (err)
        return err;
    t->fd = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return t->fd < 0 ? -errno : 0;
}

/* Somebody may have edited the file and not applied it: that must not be lost.  But gateways may
 * keep their policies in one folder: then another one has written already what we are about to. */
static int check_untouched(const struct file_edit *e, struct report *report)
{
    cleanup_free char *now = NULL;
    size_t size;
    int err = load_text(e->path, TEXT_MAX, &now, &size);
    const char *text = now;

    if (err == -ENOENT)
        return 0; /* gone, or never there: what we write is what there is */
    if (err) {
        report_file(report, err, e->name, "cannot be read: %s", strerror(-err));
        return err;
    }
    if (e->header && !strncmp(text, e->header, strlen(e->header)))
        text += strlen(e->header);
    if ((e->before && !strcmp(text, e->before)) || (e->text && !strcmp(text, e->text)))
        return 0;
    report_file(report, -EBUSY, e->name,
                "the file was edited and not applied yet, which this change would undo: reload "
                "first, or put the file back");
    return -EBUSY;
}

static int write_file(const struct file_edit *e, const char *text, struct report *report)
{
    cleanup_text struct weir_text all = { 0 };
    struct target t;
    int err = target_open(e->path, &t);

    if (!err && !text) {
        err = remove_file_at(t.fd, t.base);
        if (err == -ENOENT)
            err = 0;
    } else if (!err) {
        weir_print(&all, "%s%s", e->header ? e->header : "", text);
        err = all.cut ? -ENOMEM
                      : (t.is_there ? replace_file_at : save_file_at)(t.fd, t.base, all.text,
                                                                      all.length, t.mode);
    }
    target_finish(&t);
    if (err)
        report_file(report, err, e->name, "cannot be %s: %s", text ? "written" : "removed",
                    strerror(-err));
    return err;
}

int edits_write(const struct file_edit *edits, size_t count, struct report *report)
{
    for (size_t i = 0; i < count; i++) {
        int err = check_untouched(&edits[i], report);
        if (err)
            return err;
    }
    for (size_t i = 0; i < count; i++) {
        int err = write_file(&edits[i], edits[i].text, report);
        if (!err)
            continue;
        while (i-- > 0)
            write_file(&edits[i], edits[i].before, &(struct report){ 0 });
        return err;
    }
    return 0;
}
