/* exports.c - which disks are served, and what does each entry say about its own?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "configuration.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

const struct export_entry *export_entry_find(const struct configuration *c, const char *name)
{
    for (size_t i = 0; i < c->export_count; i++) {
        if (!strcmp(c->exports[i].name, name))
            return &c->exports[i];
    }
    return NULL;
}

/* ---- access rules ------------------------------------------------------------ */

/* 4294967295 is nobody: the kernel's word for "no such id". */
static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) &&
           strtoull(text, NULL, 10) < UINT32_MAX;
}

static bool find_user(const char *name, unsigned long *id)
{
    struct passwd entry, *found = NULL;
    char buffer[16384];

    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) || !found)
        return false;
    *id = entry.pw_uid;
    return true;
}

static bool find_group(const char *name, unsigned long *id)
{
    struct group entry, *found = NULL;
    char buffer[16384];

    if (getgrnam_r(name, &entry, buffer, sizeof buffer, &found) || !found)
        return false;
    *id = entry.gr_gid;
    return true;
}

/* Who serves knows clients by number only: names become numbers here.  NULL: there is no
 * such name, or no memory, which is reported. */
static char *numbered(const char *rule, struct report *report)
{
    bool user = !strncmp(rule, "uid:", 4), group = !strncmp(rule, "gid:", 4);
    const char *name = rule + 4;
    char *result = NULL;
    unsigned long id;

    if ((user || group) && !is_number(name)) {
        if (!(user ? find_user(name, &id) : find_group(name, &id)))
            return NULL;
        if (asprintf(&result, "%.4s%lu", rule, id) < 0)
            result = NULL;
    } else {
        result = strdup(rule);
    }
    if (!result)
        report_memory(report);
    return result;
}

static char *read_rule(const struct reader *r, const struct config_setting_t *setting)
{
    const char *rule;

    if (!key_string(r, setting, &rule))
        return NULL;
    bool known = !strcmp(rule, "tls") || (!strncmp(rule, "tls-dn:", 7) && rule[7]) ||
                 ((!strncmp(rule, "uid:", 4) || !strncmp(rule, "gid:", 4)) && rule[4]);
    if (!known) {
        report_value(r->report, r->source, setting,
                     "\"%s\" is no rule: there are \"uid:USER\", \"gid:GROUP\", \"tls\" and "
                     "\"tls-dn:NAME\"",
                     rule);
        return NULL;
    }
    char *result = numbered(rule, r->report);
    if (!result && r->report->err != -ENOMEM)
        report_value(r->report, r->source, setting, "there is no %s \"%s\" on this host",
                     *rule == 'u' ? "user" : "group", rule + 4);
    return result;
}

static void free_rules(char **rules)
{
    for (char **rule = rules; rule && *rule; rule++)
        free(*rule);
    free(rules);
}

static void read_allow(const struct reader *r, const struct config_setting_t *setting,
                       struct export_entry *e)
{
    if (!config_setting_is_array(setting) && !config_setting_is_list(setting)) {
        report_value(r->report, r->source, setting,
                     "\"allow\" takes a list of rules, such as [ \"uid:1000\", \"tls\" ]");
        return;
    }
    int count = config_setting_length(setting);
    if (!count) {
        report_value(r->report, r->source, setting,
                     "\"allow\" is empty, so nobody could connect: name somebody or leave it out");
        return;
    }
    char **rules = calloc((size_t)count + 1, sizeof *rules);
    if (!rules) {
        report_memory(r->report);
        return;
    }
    for (int i = 0, n = 0; i < count; i++) {
        rules[n] = read_rule(r, config_setting_get_elem(setting, (unsigned)i));
        n += rules[n] != NULL;
    }
    e->allow = rules;
}

void export_entry_finish(struct export_entry *e)
{
    plan_finish(&e->plan);
    free_rules(e->allow);
}

/* ---- one export -------------------------------------------------------------- */

static const char *const export_keys[] = { "name",   "description", "datastore", "image",   "size",
                                           "policy", "read_only",   "allow",     "options", NULL };

/* Their policy is where people look for filters: so say where they go. */
static void refuse_filters(const struct reader *r, const struct config_setting_t *setting)
{
    report_name(r->report, r->source, setting,
                "an export has no \"filters\" of its own: put them into a policy file, and name "
                "it here by policy = \"NAME\"");
}

static void check_keys(const struct reader *r, const struct config_setting_t *group)
{
    const char *known[sizeof export_keys / sizeof *export_keys + 1];
    const struct config_setting_t *filters = key_find(group, "filters");
    size_t n = 0;

    for (; export_keys[n]; n++)
        known[n] = export_keys[n];
    if (filters) {
        refuse_filters(r, filters);
        known[n++] = "filters"; /* once is enough */
    }
    known[n] = NULL;
    keys_check(r, group, known, "an export");
}

static void read_size(const struct reader *r, const struct config_setting_t *setting,
                      struct export_entry *e)
{
    if (key_size(r, setting, &e->size) && !e->size)
        report_value(r->report, r->source, setting,
                     "a disk of no bytes is of no use: give a size, or leave it out where the "
                     "image is there already");
}

static void optional_string(const struct reader *r, const struct config_setting_t *group,
                            const char *key, const char **ret)
{
    const struct config_setting_t *setting = key_find(group, key);

    *ret = "";
    if (setting)
        key_string(r, setting, ret);
}

static void read_values(const struct reader *r, const struct config_setting_t *group,
                        struct export_entry *e)
{
    const struct config_setting_t *size = key_find(group, "size"),
                                  *allow = key_find(group, "allow"),
                                  *read_only = key_find(group, "read_only");

    optional_string(r, group, "description", &e->description);
    optional_string(r, group, "image", &e->image);
    optional_string(r, group, "policy", &e->policy);
    key_required(r, group, "datastore", "an export", &e->datastore);
    if (size)
        read_size(r, size, e);
    if (read_only)
        key_bool(r, read_only, &e->read_only);
    if (allow)
        read_allow(r, allow, e);
    e->options = key_find(group, "options");
    if (e->options && !key_groups(r, e->options))
        e->options = NULL;
}

static bool is_new(const struct configuration *c, const struct reader *r, const char *name,
                   const struct config_setting_t *group)
{
    const struct export_entry *first = export_entry_find(c, name);

    if (!first)
        return true;
    const struct spot *spot = spot_of(key_find(first->group, "name"));
    report_value(r->report, r->source, key_find(group, "name"),
                 "export \"%s\" is defined a second time: the first is in %s, line %u", name,
                 first->source->name, spot->at.line);
    return false;
}

void export_read(struct configuration *c, const struct reader *r,
                 const struct config_setting_t *group)
{
    struct export_entry e = { .source = r->source, .group = group, .datastore = "" };

    check_keys(r, group);
    bool named = key_required(r, group, "name", "an export", &e.name) &&
                 key_name(r, key_find(group, "name"), NAME_EXPORT, &e.name) &&
                 is_new(c, r, e.name, group);
    read_values(r, group, &e);
    struct export_entry *more =
        named ? realloc(c->exports, (c->export_count + 1) * sizeof *more) : NULL;
    if (!more) {
        if (named)
            report_memory(r->report);
        export_entry_finish(&e);
        return;
    }
    c->exports = more;
    c->exports[c->export_count++] = e;
}

void exports_read(struct configuration *c, const struct reader *r,
                  const struct config_setting_t *list)
{
    if (!key_groups(r, list))
        return;
    for (int i = 0; i < config_setting_length(list); i++)
        export_read(c, r, config_setting_get_elem(list, (unsigned)i));
}
