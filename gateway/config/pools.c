/* pools.c - which fast files and devices are there for filters to share?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const uint64_t smallest = 64 << 20;

static const struct pool_entry *find(const struct configuration *c, const char *name)
{
    for (size_t i = 0; i < c->pool_count; i++) {
        if (!strcmp(c->pool_entries[i].name, name))
            return &c->pool_entries[i];
    }
    return NULL;
}

void pool_entry_finish(struct pool_entry *p)
{
    free(p->path);
}

/* ---- one of them --------------------------------------------------------------- */

static bool is_new(const struct configuration *c, const struct reader *r, const char *name,
                   const struct config_setting_t *group)
{
    const struct pool_entry *first = find(c, name);

    if (!first)
        return true;
    report_value(r->report, r->source, key_find(group, "name"),
                 "pool \"%s\" is defined a second time: the first is in %s, line %u", name,
                 first->source->name, spot_of(first->group)->value.line);
    return false;
}

/* Two pools in one file would overwrite each other. */
static bool is_free(const struct configuration *c, const struct reader *r,
                    const struct config_setting_t *setting, const char *path)
{
    for (size_t i = 0; i < c->pool_count; i++) {
        if (!c->pool_entries[i].path || strcmp(c->pool_entries[i].path, path) != 0)
            continue;
        report_value(
            r->report, r->source, setting,
            "\"%s\" is pool \"%s\" already, in line %u: give each pool a file or device of "
            "its own",
            config_setting_get_string(setting), c->pool_entries[i].name,
            spot_of(c->pool_entries[i].group)->value.line);
        return false;
    }
    return true;
}

/* An edit is told what is not there; a gateway that starts, or was told before, is not kept
 * from serving other exports by it. */
static void path_check(const struct reader *r, const struct config_setting_t *setting,
                       const struct pool_entry *p)
{
    const char *word = config_setting_get_string(setting);
    struct stat st;
    bool there = !stat(p->path, &st);

    if (there && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        report_value(r->report, r->source, setting,
                     "\"%s\" is neither a file nor a block device: a pool is one of them", word);
    else if (!there && !p->size && (errno == ENOENT || errno == ENOTDIR))
        report_value(r->report, r->source, setting,
                     "there is no \"%s\" yet: give the size that the file is to have, such as "
                     "size = \"64G\"",
                     word);
}

static bool path_read(const struct configuration *c, const struct reader *r,
                      const struct config_setting_t *group, struct pool_entry *p)
{
    const struct config_setting_t *setting = key_find(group, "path");
    const char *word;

    if (!key_required(r, group, "path", "a pool", &word))
        return false;
    if (!*word) {
        report_value(r->report, r->source, setting,
                     "\"path\" is empty: it takes a file or a block device");
        return false;
    }
    p->path = path_join(c->layout.path, word);
    if (!p->path)
        report_memory(r->report);
    return p->path && is_free(c, r, setting, p->path);
}

static bool size_read(const struct reader *r, const struct config_setting_t *setting,
                      struct pool_entry *p)
{
    if (!setting)
        return true;
    if (!key_size(r, setting, &p->size))
        return false;
    if (p->size >= smallest)
        return true;
    report_value(r->report, r->source, setting,
                 "a pool of this size is of no use: give it at least 64M");
    return false;
}

static void pool_read(struct configuration *c, const struct reader *r,
                      const struct config_setting_t *group)
{
    static const char *const known[] = { "name", "path", "size", NULL };
    struct pool_entry p = { .source = r->source, .group = group };

    bool good = keys_check(r, group, known, "a pool");
    bool named = key_required(r, group, "name", "a pool", &p.name) &&
                 key_name(r, key_find(group, "name"), NAME_PLAIN, &p.name) &&
                 is_new(c, r, p.name, group);
    good = size_read(r, key_find(group, "size"), &p) && good;
    good = path_read(c, r, group, &p) && good;
    if (good && strictness_for(c, r->source) == STRICT)
        path_check(r, key_find(group, "path"), &p);
    /* one with mistakes, too: who names it is not to blame */
    struct pool_entry *more =
        named ? realloc(c->pool_entries, (c->pool_count + 1) * sizeof *more) : NULL;
    if (!more) {
        if (named)
            report_memory(r->report);
        pool_entry_finish(&p);
        return;
    }
    c->pool_entries = more;
    c->pool_entries[c->pool_count++] = p;
}

/* ---- all of them --------------------------------------------------------------- */

static void hand_over(struct configuration *c, struct report *report)
{
    cleanup_free struct pool *list = calloc(c->pool_count + 1, sizeof *list);

    for (size_t i = 0; list && i < c->pool_count; i++) {
        const struct pool_entry *p = &c->pool_entries[i];
        list[i] = (struct pool){ p->name, p->path, p->size };
    }
    if (!list || pools_create(list, c->pool_count, &c->pools))
        report_memory(report);
}

void pools_read(struct configuration *c, const struct reader *r,
                const struct config_setting_t *list)
{
    if (!key_groups(r, list))
        return;
    for (int i = 0; i < config_setting_length(list); i++)
        pool_read(c, r, config_setting_get_elem(list, (unsigned)i));
    if (!r->report->err)
        hand_over(c, r->report);
}

/* ---- who names them ------------------------------------------------------------ */

void pool_name_check(const struct reader *r, const struct config_setting_t *setting,
                     const char *label, const char *word)
{
    const struct configuration *c = r->whole;
    const char *known[1024], *near;
    cleanup_text struct weir_text all = { 0 };
    size_t n = 0;

    if (!c || !*word || find(c, word))
        return;
    for (; n < c->pool_count && n < 1023; n++)
        known[n] = c->pool_entries[n].name;
    known[n] = NULL;
    near = nearest_word(word, known);
    if (near)
        weir_print(&all, "; did you mean \"%s\"?", near);
    else if (!n)
        weir_print(&all, ": the main file defines none, in \"pools\"");
    for (size_t i = 0; i < n && !near; i++)
        weir_print(&all, "%s%s", i ? ", " : ": there are ", known[i]);
    report_value(r->report, r->source, setting, "filter \"%s\": there is no pool \"%s\"%s", label,
                 word, text_string(&all));
}
