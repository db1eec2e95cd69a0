/* loader-judge.c - does the table of a filter say what a chain can rely on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loader-private.h"

#include "options.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

int loader_refuse(struct weir_text *why, const char *path, const char *what)
{
    weir_print(why, "%s is not a weir filter: %s", path, what);
    return -ENOEXEC;
}

int loader_judge_header(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    if (f->magic != WEIR_MAGIC)
        return loader_refuse(why, path, "its weir_filter does not begin with the magic number");
    if (f->abi != WEIR_ABI) {
        weir_print(why, "%s was built for filter ABI %u and this gateway has ABI %u: %s", path,
                   f->abi, WEIR_ABI,
                   f->abi > WEIR_ABI ? "upgrade weir" : "rebuild or upgrade the filter");
        return -ENOEXEC;
    }
    if (f->size < offsetof(struct weir_filter, check))
        return loader_refuse(why, path, "its struct weir_filter is too small to name its tables");
    if (f->option_size < offsetof(struct weir_option, words) ||
        f->stat_size < sizeof(struct weir_stat) || f->verb_size < sizeof(struct weir_verb))
        return loader_refuse(why, path, "the rows of its tables are too small");
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

int loader_judge_body(const struct weir_filter *f, const char *path, struct weir_text *why)
{
    const uint32_t needed = WEIR_OP(WEIR_READ) | WEIR_OP(WEIR_WRITE) | WEIR_OP(WEIR_FLUSH);

    if (!f->name || !f->name[0] || !f->summary || !f->version)
        return loader_refuse(why, path, "it has no name, summary or version");
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
        return loader_refuse(why, path, "its ops must have READ, WRITE and FLUSH");
    if (f->order_align & (f->order_align - 1))
        return loader_refuse(why, path, "its order_align is not a power of two");
    int r = judge_names(f, path, why);
    if (!r)
        r = judge_options(f, path, why);
    return r ? r : judge_stats(f, path, why);
}
