/* form.c - which filters is a disk never to be served without?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What lies below a filter that WEIR_TRANSFORMS is not the disk: without the filter clients would
 * get, and overwrite, what it stored.  Nor is it while a filter weir_keep()s a part of the disk.
 * So the export remembers them, in two files of its state folder, before it matters, and neither
 * an edited policy nor a restart goes on without them: until somebody removes their line from
 * the file or, of the second one, the filter says that the disk is whole. */
#include "export-private.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define KEPT "kept"

/* ---- the files ----------------------------------------------------------------- */

/* *ret: a filter on each line; "" where there is no file. */
static int load(const char *folder, const char *file, char **ret)
{
    cleanup_fd int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    void *data = NULL;
    size_t size = 0;
    int r = fd < 0 ? -errno : load_file_at(fd, file, &data, &size);

    if (r && r != -ENOENT)
        return r;
    *ret = r ? strdup("") : data;
    return *ret ? 0 : -ENOMEM;
}

static bool has_line(const char *lines, const char *line)
{
    size_t length = strlen(line);

    for (const char *l = lines; *l; l += strcspn(l, "\n"), l += *l == '\n')
        if (strcspn(l, "\n") == length && memcmp(l, line, length) == 0)
            return true;
    return false;
}

static void print_without(const char *lines, const char *line, struct weir_text *text)
{
    for (const char *l = lines; *l; l += strcspn(l, "\n"), l += *l == '\n') {
        size_t length = strcspn(l, "\n");
        if (length && (length != strlen(line) || memcmp(l, line, length) != 0))
            weir_print(text, "%.*s\n", (int)length, l);
    }
}

static int write_line(const struct export *e, const char *file, const char *line, bool there)
{
    cleanup_text struct weir_text text = { 0 };
    cleanup_free char *folder = export_state_folder(e);
    cleanup_free char *lines = NULL;
    int r = folder ? make_folders(folder, 0700) : -ENOMEM;

    if (!r)
        r = load(folder, file, &lines);
    if (r || has_line(lines, line) == there)
        return r;
    print_without(lines, line, &text);
    if (there)
        weir_print(&text, "%s\n", line);
    if (text.cut)
        return -ENOMEM;
    cleanup_fd int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return text.length ? save_file_at(fd, file, text_string(&text), text.length, 0600)
                       : remove_file_at(fd, file);
}

/* A file is read, changed and written again by one thread at a time: a turn and no lock, for
 * it is I/O.  Whoever has it calls no filter and waits for nobody. */
static void begin_writing(struct export *e)
{
    hold_lock(&e->lock);

    while (e->writing_form)
        pthread_cond_wait(&e->changed, &e->lock);
    e->writing_form = true;
}

static void end_writing(struct export *e)
{
    hold_lock(&e->lock);

    e->writing_form = false;
    pthread_cond_broadcast(&e->changed);
}

/* ---- judging a plan ------------------------------------------------------------- */

/* As what a filter stands in KEPT.  Those without a class may be several of one name. */
static const char *keeper_name(const struct weir_filter *f, const char *label)
{
    return f->klass == WEIR_CLASS_NONE ? label : f->name;
}

static bool plan_transforms(const struct plan_filter *f, const char *line)
{
    return strcmp(f->library->filter.name, line) == 0;
}

static bool plan_keeps(const struct plan_filter *f, const char *line)
{
    return strcmp(keeper_name(&f->library->filter, f->label), line) == 0;
}

static void say_transformed(const char *filter, const char *folder, struct weir_text *why)
{
    weir_print(
        why,
        "what this disk holds was stored by the filter %s, which its policy does not have: "
        "without it clients would read and overwrite what is no disk; put the filter back, "
        "or, to give the disk up as it was, remove the line \"%s\" from %s/" FORM_TRANSFORMED,
        filter, filter, folder);
}

static void say_kept(const char *filter, const char *folder, struct weir_text *why)
{
    weir_print(why,
               "the filter %s holds what was written to this disk and has not reached its store, "
               "and its policy does not have it: put it back, and empty it first (ctl verb drain); "
               "or, to lose what it holds, remove the line \"%s\" from %s/" KEPT,
               filter, filter, folder);
}

static const struct form {
    const char *file, *says;
    bool (*has)(const struct plan_filter *, const char *line);
    void (*say)(const char *filter, const char *folder, struct weir_text *why);
} forms[] = {
    { FORM_TRANSFORMED, "by which filters the disk was stored", plan_transforms, say_transformed },
    { KEPT, "which filters hold a part of the disk", plan_keeps, say_kept },
};

static bool plan_has(const struct plan *p, const struct form *form, const char *line)
{
    for (size_t i = 0; i < p->count; i++)
        if (form->has(&p->filter[i], line))
            return true;
    return false;
}

static int judge(const struct export *e, const struct form *form, const struct plan *p,
                 struct weir_text *why)
{
    cleanup_free char *folder = export_state_folder(e);
    cleanup_free char *lines = NULL;
    int r = folder ? load(folder, form->file, &lines) : -ENOMEM;

    if (r) {
        weir_print(why, "%s/%s, which says %s: %s", folder ? folder : places()->state, form->file,
                   form->says, strerror(-r));
        return r;
    }
    for (char *rest = lines, *line; (line = strsep(&rest, "\n"));)
        if (*line && !plan_has(p, form, line)) {
            form->say(line, folder, why);
            return -EPERM;
        }
    return 0;
}

int form_judge(const struct export *e, const struct plan *p, struct weir_text *why)
{
    int r = 0;

    for (size_t i = 0; !r && i < sizeof forms / sizeof *forms; i++)
        r = judge(e, &forms[i], p, why);
    return r;
}

/* ---- filters that transform ------------------------------------------------------- */

int form_note(struct export *e, const char *filter)
{
    begin_writing(e);
    int r = write_line(e, FORM_TRANSFORMED, filter, true);
    end_writing(e);
    return r;
}

/* By its filter, which notes by itself when it unlocks: it may do so just now. */
static bool is_locked(struct export *e, const struct weir_below *b)
{
    hold_lock(&e->lock);
    return b->locked != NULL;
}

int form_note_all(struct export *e, const struct chain *c, struct weir_text *why)
{
    for (int i = 0; i < c->count; i++) {
        const struct weir_below *b = c->link[i].place;
        const struct weir_filter *f = &b->library->filter;
        if (!(f->flags & WEIR_TRANSFORMS) || is_locked(e, b))
            continue;
        int r = form_note(e, f->name);
        if (r) {
            weir_print(why,
                       "that the disk is stored by the filter %s cannot be remembered in %s: %s",
                       f->name, places()->state, strerror(-r));
            return r;
        }
    }
    return 0;
}

/* ---- filters that keep a part ------------------------------------------------------ */

/* With the turn to write. */
static int change_keeping(struct weir_below *b, bool keep)
{
    const int wanted = keep ? KEEPS : KEEPS_NOTHING;
    int now = atomic_load(&b->keeping);

    if (now == wanted)
        return 0;
    if (now == KEEPS_NO_MORE || !atomic_compare_exchange_strong(&b->keeping, &now, KEEPS_UNKNOWN))
        return keep ? -ESHUTDOWN : 0; /* bypassed, perhaps just now */
    int r = write_line(b->export, KEPT, keeper_name(&b->library->filter, b->label), keep);
    if (!r) /* else nobody knows what a crash leaves: the next call writes again */
        atomic_store(&b->keeping, wanted);
    return r;
}

int weir_keep(struct weir_below *b, bool keep)
{
    if (atomic_load(&b->keeping) == (keep ? KEEPS : KEEPS_NOTHING))
        return 0;
    begin_writing(b->export);
    int r = change_keeping(b, keep);
    end_writing(b->export);
    return r;
}

void form_recall(struct weir_below *b)
{
    cleanup_free char *folder = export_state_folder(b->export);
    cleanup_free char *lines = NULL;

    if (atomic_load(&b->keeping) == KEEPS_NO_MORE)
        return; /* it comes back as bypassed as it was */
    if (!folder || load(folder, KEPT, &lines))
        atomic_store(&b->keeping, KEEPS_UNKNOWN);
    else
        atomic_store(&b->keeping, has_line(lines, keeper_name(&b->library->filter, b->label))
                                      ? KEEPS
                                      : KEEPS_NOTHING);
}

bool form_may_bypass(struct weir_below *b)
{
    int nothing = KEEPS_NOTHING;

    if (b->library->filter.flags & WEIR_TRANSFORMS)
        return false;
    return atomic_compare_exchange_strong(&b->keeping, &nothing, KEEPS_NO_MORE) ||
           nothing == KEEPS_NO_MORE;
}
