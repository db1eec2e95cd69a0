/* loader.c - how does a shared object become a filter that may be trusted with a chain?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What was taken is never dlclosed: a thread of the filter's may still be on its way out of
 * the code, and a stray resume is reported by a name that lives there. */
#include "loader.h"

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

/* One per process, as the dynamic linker's own list is. */
static struct {
    pthread_mutex_t lock; /* all of this; dlopen() runs under it, because two loads of
                             one object must not pass each other; taken after nothing */
    char *path;
    struct library *loaded; /* newest first: loader_get() gives the newest of a name */
} loader = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

/* ---- judging ----------------------------------------------------------------- */

static int refuse(struct weir_text *why, const char *path, const char *what)
{
    weir_print(why, "%s is not a weir filter: %s", path, what);
    return -ENOEXEC;
}

static int judge_header(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    if (f->magic != WEIR_MAGIC)
        return refuse(why, path, "its weir_filter does not begin with the magic number");
    if (f->abi != WEIR_ABI) {
        weir_print(why, "%s was built for filter ABI %u and this gateway has ABI %u: %s", path,
                   f->abi, WEIR_ABI,
                   f->abi > WEIR_ABI ? "upgrade weir" : "rebuild or upgrade the filter");
        return -ENOEXEC;
    }
    if (f->size < offsetof(struct weir_filter, check))
        return refuse(why, path, "its struct weir_filter is too small to name its tables");
    if (f->option_size < offsetof(struct weir_option, words) ||
        f->stat_size < sizeof(struct weir_stat) || f->verb_size < sizeof(struct weir_verb))
        return refuse(why, path, "the rows of its tables are too small");
    return 0;
}

static int judge_options(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    cleanup_text struct weir_text sentence = { 0 };
    struct settings *defaults = NULL;

    if (!f->options)
        return 0;
    int r = settings_create(f->options, f->config_size, &defaults, &sentence);
    settings_destroy(defaults);
    if (r)
        weir_print(why, "%s: %s", path, text_string(&sentence));
    return r;
}

/* Names become files, keys of policies and names of metrics. */
static bool is_word(const char *name)
{
    return *name >= 'a' && *name <= 'z' &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static int judge_names(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    const char *bad = NULL;

    const unsigned known = WEIR_LIVE | WEIR_REQUIRED | WEIR_SECRET | WEIR_NAMES_POOL;
    for (const struct weir_option *o = f->options; !bad && o && o->name; o++) {
        bad = is_word(o->name) ? NULL : o->name;
        if (o->flags & ~known) {
            weir_print(why,
                       "%s: option %s has a flag that this gateway does not know: upgrade weir",
                       path, o->name);
            return -ENOEXEC;
        }
    }
    for (const struct weir_stat *s = f->stats; !bad && s && s->name; s++)
        bad = is_word(s->name) ? NULL : s->name;
    if (!bad)
        return 0;
    weir_print(why,
               "%s: \"%s\" cannot name an option or a statistic: it takes a small letter, then "
               "small letters, digits and _",
               path, bad);
    return -EINVAL;
}

static bool stat_fits(const struct weir_stat *s, size_t stats_size)
{
    switch (s->kind) {
    case WEIR_COUNTER:
    case WEIR_GAUGE:
        return s->at + sizeof(weir_counter) <= stats_size;
    case WEIR_HISTOGRAM:
        return s->at + sizeof(struct weir_histogram) <= stats_size;
    case WEIR_VALUE:
        return s->value;
    case WEIR_TEXT:
        return s->show;
    }
    return false;
}

static int judge_stats(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    for (const struct weir_stat *s = f->stats; s && s->name; s++)
        if (!stat_fits(s, f->stats_size)) {
            weir_print(why, "%s: statistic %s has no place in the filter's statistics", path,
                       s->name);
            return -EINVAL;
        }
    return 0;
}

static int judge_body(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    const uint32_t needed = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_FLUSH);

    if (!f->name || !f->name[0] || !f->summary || !f->version)
        return refuse(why, path, "it has no name, summary or version");
    if (f->klass >= WEIR_CLASS_COUNT) {
        weir_print(why, "%s: class %d is not known to this gateway: upgrade weir", path, f->klass);
        return -ENOEXEC;
    }
    if ((f->flags & ~(uint32_t)(WEIR_NEEDS_ORDER | WEIR_TRANSFORMS)) || (f->ops & ~WEIR_ALL_OPS)) {
        /* a promise that it relies on and that this gateway does not keep */
        weir_print(why, "%s asks for something that this gateway does not know: upgrade weir",
                   path);
        return -ENOEXEC;
    }
    if ((f->down || f->up) && (f->ops & needed) != needed)
        return refuse(why, path, "its ops must have READ, WRITE and FLUSH");
    if (f->order_align & (f->order_align - 1))
        return refuse(why, path, "its order_align is not a power of two");
    int r = judge_names(f, path, why);
    if (!r)
        r = judge_options(f, path, why);
    return r ? r : judge_stats(f, path, why);
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
}

/* A filter of an older weir has a shorter table and shorter rows: what it lacks is zero;
 * one of a newer weir has longer ones: what we do not know is left out. */
static int copy_table(const struct weir_filter *theirs, struct library *l, struct weir_text *why)
{
    struct weir_filter *f = &l->filter;
    int r = judge_header(theirs, l->path, why);

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
        r = judge_body(f, l->path, why);
    if (r)
        free_rows(f);
    return r;
}

/* Gives the dynamic linker a name for `path` that it has not seen: it takes one that it
 * knows for the object that it has, even if another file lies there now.  A file that
 * did not change is still the same object, by its inode. */
static void *open_again(const char *path)
{
    const char *file = strrchr(path, '/') + 1;
    cleanup_text struct weir_text alias = { 0 };

    text_append(&alias, path, (size_t)(file - path));
    for (const struct library *l = loader.loaded; l; l = l->next)
        if (strcmp(l->path, path) == 0)
            weir_print(&alias, "./");
    weir_print(&alias, "%s", file);
    return dlopen(text_string(&alias), RTLD_NOW | RTLD_LOCAL);
}

static int load(const char *name, char *path, struct library **ret, struct weir_text *why)
{
    struct library *l = calloc(1, sizeof *l);

    if (!l)
        return -ENOMEM;
    l->path = path;
    l->handle = open_again(path);
    const char *problem = l->handle ? NULL : dlerror();
    const struct weir_filter *theirs = l->handle ? dlsym(l->handle, "weir_filter") : NULL;
    int r = 0;
    if (problem) {
        weir_print(why, "cannot load filter \"%s\": %s", name, problem);
        r = -ENOEXEC;
    } else if (!theirs) {
        r = refuse(why, path, "it does not export the symbol weir_filter");
    } else {
        r = copy_table(theirs, l, why);
    }
    if (!r && strcmp(l->filter.name, name)) {
        weir_print(why, "%s holds a filter named \"%s\": rename the file or the filter", path,
                   l->filter.name);
        free_rows(&l->filter);
        r = -ENOEXEC;
    }
    if (r) {
        if (l->handle)
            dlclose(l->handle); /* nothing of it ran; a better file may come to its place */
        free(l);                /* the path is the caller's */
        return r;
    }
    l->next = loader.loaded;
    loader.loaded = l;
    *ret = l;
    return 0;
}

static struct library *find_loaded(const char *name)
{
    for (struct library *l = loader.loaded; l; l = l->next)
        if (strcmp(l->filter.name, name) == 0)
            return l;
    return NULL;
}

static int get(const char *name, bool again, struct library **ret, struct weir_text *why)
{
    hold_lock(&loader.lock);
    struct library *l = again ? NULL : find_loaded(name);
    int r = 0;

    if (!l) {
        struct search s = { .name = name };
        if (!name[0] || strchr(name, '/') || each_folder(look_in, &s) <= 0)
            return not_found(name, why);
        r = load(name, s.found, &l, why);
        if (r) {
            free(s.found);
            return r;
        }
    }
    l->users++;
    *ret = l;
    return 0;
}

int loader_get(const char *name, struct library **ret, struct weir_text *why)
{
    return get(name, false, ret, why);
}

int loader_refresh(const char *name, struct library **ret, struct weir_text *why)
{
    return get(name, true, ret, why);
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
