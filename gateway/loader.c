/* loader.c - how does a shared object become a filter that may be trusted with a chain?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What was taken is not dlclosed while anybody uses it, nor soon after: a thread of the filter's
 * may still be on its way out of the code, and a stray resume is reported by a name that lives
 * there.  Of those that upgrades have left behind, and that nobody uses, the newest SPARES stay. */
#include "loader-private.h"

#include "options.h"
#include "scope.h"
#include "text.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "weir-filter-"
#define SUFFIX ".so"

enum { SPARES = 4 }; /* unused libraries of one name that stay loaded */

struct loader loader = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A library that this thread tries out: nobody else's loader_get() gives it. */
static _Thread_local struct library *tried;

void loader_guard(const struct loader_guard *guard)
{
    hold_lock(&loader.lock);

    loader.guard = guard;
}

int loader_path(const char *folders)
{
    char *copy = strdup(folders);

    if (!copy)
        return -ENOMEM;
    hold_lock(&loader.lock);
    free(loader.path);
    loader.path = copy;
    return 0;
}

const char *class_name(enum weir_class class)
{
    static const char *const names[WEIR_CLASS_COUNT] = {
        "none",        "inspection", "capture", "replication",
        "compression", "encryption", "cache",   "control",
    };

    return class < WEIR_CLASS_COUNT ? names[class] : "unknown";
}

/* ---- finding ----------------------------------------------------------------- */

/* Calls visit() for each folder of the path until it returns other than 0. */
static int each_folder(int (*visit)(const char *folder, void *arg), void *arg)
{
    cleanup_free char *folders = strdup(loader.path ? loader.path : "");
    char *rest = folders, *folder;

    while (rest && (folder = strsep(&rest, ":"))) {
        int r = *folder ? visit(folder, arg) : 0;
        if (r)
            return r;
    }
    return 0;
}

struct search {
    const char *name;
    char *found;
};

static int look_in(const char *folder, void *arg)
{
    struct search *s = arg;
    char *path;

    if (asprintf(&path, "%s/" PREFIX "%s" SUFFIX, folder, s->name) < 0)
        return -ENOMEM;
    if (access(path, R_OK) == 0) {
        s->found = path;
        return 1;
    }
    free(path);
    return 0;
}

struct names {
    char **list;
    size_t count;
};

static int add_name(struct names *n, const char *file)
{
    size_t length = strlen(file), ends = sizeof PREFIX - 1 + sizeof SUFFIX - 1;

    if (length <= ends || strncmp(file, PREFIX, sizeof PREFIX - 1) ||
        strcmp(file + length - (sizeof SUFFIX - 1), SUFFIX))
        return 0;
    char **more = realloc(n->list, (n->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    n->list = more;
    char *name = strndup(file + sizeof PREFIX - 1, length - ends);
    if (!name)
        return -ENOMEM;
    n->list[n->count++] = name;
    return 0;
}

static int list_folder(const char *folder, void *arg)
{
    DIR *d = opendir(folder);
    int r = 0;

    if (!d)
        return 0;
    for (struct dirent *entry; !r && (entry = readdir(d));)
        r = add_name(arg, entry->d_name);
    closedir(d);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One block: the pointers, then the strings, without repeats. */
static char **pack(struct names *n)
{
    size_t size = sizeof(char *), kept = 0;

    if (n->count)
        qsort(n->list, n->count, sizeof *n->list, by_name);
    for (size_t i = 0; i < n->count; i++)
        size += sizeof(char *) + strlen(n->list[i]) + 1;
    char **block = malloc(size);
    if (!block)
        return NULL;
    char *end = (char *)(block + n->count + 1);
    for (size_t i = 0; i < n->count; i++) {
        if (kept && strcmp(block[kept - 1], n->list[i]) == 0)
            continue;
        block[kept++] = end;
        end = stpcpy(end, n->list[i]) + 1;
    }
    block[kept] = NULL;
    return block;
}

static char **names_locked(void)
{
    struct names n = { 0 };

    int r = each_folder(list_folder, &n);
    char **block = r ? NULL : pack(&n);
    for (size_t i = 0; i < n.count; i++)
        free(n.list[i]);
    free(n.list);
    return block;
}

char **loader_names(void)
{
    hold_lock(&loader.lock);

    return names_locked();
}

static int not_found(const char *name, struct weir_text *why)
{
    cleanup_free char **names = names_locked();
    const char *near = names ? nearest_word(name, (const char *const *)names) : NULL;

    weir_print(why, "there is no filter \"%s\" in %s", name, loader.path ? loader.path : "(unset)");
    if (near)
        weir_print(why, "; did you mean \"%s\"?", near);
    return -ENOENT;
}

/* ---- loading ----------------------------------------------------------------- */

/* Copies rows of `theirs` bytes, each of which begins with its name, into rows of `ours`. */
static int copy_rows(const void *rows, size_t theirs, size_t ours, void *ret)
{
    size_t count = 1;

    if (!rows)
        return 0;
    for (const char *row = rows; *(const char *const *)row; row += theirs)
        count++;
    char *copy = calloc(count, ours);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        memcpy(copy + i * ours, (const char *)rows + i * theirs, theirs < ours ? theirs : ours);
    memcpy(ret, &copy, sizeof copy);
    return 0;
}

static void free_rows(struct weir_filter *f)
{
    free((void *)(uintptr_t)f->options);
    free((void *)(uintptr_t)f->stats);
    free((void *)(uintptr_t)f->verbs);
    f->options = NULL;
    f->stats = NULL;
    f->verbs = NULL;
}

/* A filter of an older weir has a shorter table and shorter rows: what it lacks is zero;
 * one of a newer weir has longer ones: what we do not know is left out. */
static int copy_table(const struct weir_filter *theirs, struct library *l, struct weir_text *why)
{
    struct weir_filter *f = &l->filter;
    int r = loader_judge_header(theirs, l->path, why);

    if (r)
        return r;
    memcpy(f, theirs, theirs->size < sizeof *f ? theirs->size : sizeof *f);
    f->options = NULL;
    f->stats = NULL;
    f->verbs = NULL;
    r = copy_rows(theirs->options, theirs->option_size, sizeof *f->options, &f->options);
    if (!r)
        r = copy_rows(theirs->stats, theirs->stat_size, sizeof *f->stats, &f->stats);
    if (!r)
        r = copy_rows(theirs->verbs, theirs->verb_size, sizeof *f->verbs, &f->verbs);
    if (!r)
        r = loader_judge_body(f, l->path, why);
    if (r)
        free_rows(f);
    return r;
}

/* dlopen() of the copy; *problem is what it says when it refuses, without the copy's name. */
static void *open_copy(const struct loader_file *f, const char **problem)
{
    char name[LOADER_NAME];
    size_t length = (size_t)loader_file_name(f, loader.serial++, name);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);

    *problem = handle ? NULL : dlerror();
    if (*problem && strncmp(*problem, name, length) == 0)
        *problem += length + strspn(*problem + length, ": ");
    return handle;
}

/* Under the lock, as dlopen() is: what is admitted reads a few small files. */
static int admit(const char *name, const struct loader_file *f, struct weir_text *why)
{
    if (!loader.guard)
        return 0;
    const void *bytes = loader_file_map(f);
    int r = bytes || !f->size ? loader.guard->admit(name, f->real, bytes, f->size, why) : -ENOMEM;
    loader_file_unmap(f, bytes);
    return r;
}

static void unload(struct library *l)
{
    free_rows(&l->filter);
    if (l->handle)
        dlclose(l->handle);
    loader_file_finish(&l->file); /* its name may be another's from now on */
    free((void *)(uintptr_t)l->path);
    free(l);
}

/* The first of a name is what loader_get() gives, and stays. */
static void unload_spares(const char *name)
{
    unsigned spares = 0;
    bool first = true;

    for (struct library **where = &loader.loaded, *l; (l = *where);) {
        bool of_name = strcmp(l->filter.name, name) == 0;
        if (of_name && !first && !l->users && ++spares > SPARES) {
            *where = l->next;
            unload(l);
            continue;
        }
        first &= !of_name;
        where = &l->next;
    }
}

static int make(const char *name, struct library *l, struct weir_text *why)
{
    const char *problem;

    l->handle = open_copy(&l->file, &problem);
    const struct weir_filter *theirs = l->handle ? dlsym(l->handle, "weir_filter") : NULL;
    if (!l->handle) {
        weir_print(why, "cannot load filter \"%s\": %s: %s", name, l->path, problem);
        return -ENOEXEC;
    }
    int r = theirs ? copy_table(theirs, l, why)
                   : loader_refuse(why, l->path, "it does not export the symbol weir_filter");
    if (!r && strcmp(l->filter.name, name)) {
        weir_print(why, "%s holds a filter named \"%s\": rename the file or the filter", l->path,
                   l->filter.name);
        r = -ENOEXEC;
    }
    return r;
}

/* One that has these bytes already. */
static struct library *find_equal(const char *name, const struct loader_file *f)
{
    for (struct library *l = loader.loaded; l; l = l->next)
        if (strcmp(l->filter.name, name) == 0 && loader_file_equal(&l->file, f))
            return l;
    return NULL;
}

static void to_front(struct library *l)
{
    struct library **where = &loader.loaded;

    while (*where != l)
        where = &(*where)->next;
    *where = l->next;
    l->next = loader.loaded;
    loader.loaded = l;
    l->forgotten = false;
}

/* The same bytes from another place: there lies what vouches for them from now on. */
static void move_to(struct library *l, char *real)
{
    free(l->file.real);
    l->file.real = real;
    l->file.seen = false;
}

/* Takes `f` over.  A new one goes behind the first of its name: it is not given yet. */
static int load(const char *name, const char *path, struct loader_file *f, struct library **ret,
                struct weir_text *why)
{
    struct library *l = find_equal(name, f);

    if (l) {
        *ret = l;
        loader_file_finish(f);
        return 0;
    }
    l = calloc(1, sizeof *l);
    char *copy = strdup(path);
    if (!l || !copy) {
        free(l);
        free(copy);
        loader_file_finish(f);
        return -ENOMEM;
    }
    l->path = copy;
    l->file = *f;
    *f = (struct loader_file){ .fd = -1 };
    int r = make(name, l, why);
    if (r) {
        unload(l); /* nothing of it ran but its constructors; a better file may come to its place */
        return r;
    }
    struct library **where = &loader.loaded;
    while (*where)
        where = &(*where)->next;
    *where = l;
    *ret = l;
    return 0;
}

static struct library *find_loaded(const char *name)
{
    for (struct library *l = loader.loaded; l; l = l->next)
        if (strcmp(l->filter.name, name) == 0)
            return l->forgotten ? NULL : l;
    return NULL;
}

char *loader_find(const char *name)
{
    struct search s = { .name = name };

    return name[0] && !strchr(name, '/') && each_folder(look_in, &s) > 0 ? s.found : NULL;
}

/* Reads, judges, and loads what is not loaded yet; its name's first one stays the first. */
static int look(const char *name, const char *path, struct library **ret, struct weir_text *why)
{
    struct loader_file f = { .fd = -1 };
    int r = loader_file_read(path, &f, why);

    if (!r)
        r = admit(name, &f, why);
    cleanup_free char *real = r ? NULL : strdup(f.real);
    if (!r)
        r = real ? load(name, path, &f, ret, why) : -ENOMEM;
    if (!r)
        move_to(*ret, steal(real));
    loader_file_finish(&f);
    return r;
}

static int look_on_disk(const char *name, struct library **ret, struct weir_text *why)
{
    cleanup_free char *path = loader_find(name);

    return path ? look(name, path, ret, why) : not_found(name, why);
}

int loader_get(const char *name, struct library **ret, struct weir_text *why)
{
    hold_lock(&loader.lock);
    struct library *l = tried && strcmp(tried->filter.name, name) == 0 ? tried : find_loaded(name);
    /* one that was admitted once may not be by who asks now */
    int r = l ? admit(name, &l->file, why) : look_on_disk(name, &l, why);

    if (r)
        return r;
    if (l != tried)
        to_front(l);
    l->users++;
    *ret = l;
    return 0;
}

int loader_candidate(const char *name, const char *path, struct library **ret,
                     struct weir_text *why)
{
    hold_lock(&loader.lock);
    int r = path ? look(name, path, ret, why) : look_on_disk(name, ret, why);

    if (r)
        return r;
    ++(*ret)->users;
    unload_spares(name);
    return 0;
}

void loader_try(struct library *l)
{
    tried = l;
}

char *loader_real(const struct library *l)
{
    hold_lock(&loader.lock);
    cleanup_free char *path = l->handle && l != tried ? loader_find(l->filter.name) : NULL;

    return l == tried ? strdup(l->file.real) : path ? realpath(path, NULL) : NULL;
}

void loader_prefer(struct library *l)
{
    hold_lock(&loader.lock);

    to_front(l);
}

int loader_refresh(const char *name, struct library **ret, struct weir_text *why)
{
    int r = loader_candidate(name, NULL, ret, why);

    if (!r)
        loader_prefer(*ret);
    return r;
}

void loader_forget(const char *name)
{
    hold_lock(&loader.lock);

    for (struct library *l = loader.loaded; l; l = l->next)
        if (strcmp(l->filter.name, name) == 0)
            l->forgotten = true;
}

struct library *loader_ref(struct library *l)
{
    hold_lock(&loader.lock);

    l->users++;
    return l;
}

void loader_put(struct library *l)
{
    if (!l)
        return;
    hold_lock(&loader.lock);
    l->users--;
}
