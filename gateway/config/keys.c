/* keys.c - is a setting one that belongs here, and of the type that it must have?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keys.h"
#include "../option-values.h"
#include "../scope.h"
#include "../text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LENGTH = 128 };

const struct config_setting_t *key_find(const struct config_setting_t *group, const char *name)
{
    return config_setting_get_member(group, name);
}

static void unknown_key(const struct reader *r, const struct config_setting_t *setting,
                        const char *const *known, const char *what)
{
    const char *name = config_setting_name(setting), *near = nearest_word(name, known);
    struct weir_text all = { 0 };

    for (size_t i = 0; known[i] && !near; i++)
        weir_print(&all, "%s%s", i ? ", " : ": its keys are ", known[i]);
    if (near)
        weir_print(&all, "; did you mean \"%s\"?", near);
    report_name(r->report, r->source, setting, "%s has no key \"%s\"%s", what, name,
                text_string(&all));
    text_finish(&all);
}

bool keys_check(const struct reader *r, const struct config_setting_t *group,
                const char *const *known, const char *what)
{
    bool good = true;

    for (int i = 0; i < config_setting_length(group); i++) {
        const struct config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *const *k = known;
        while (*k && strcmp(*k, config_setting_name(setting)))
            k++;
        if (*k)
            continue;
        unknown_key(r, setting, known, what);
        good = false;
    }
    return good;
}

/* ---- types ------------------------------------------------------------------- */

static const char *type_in_words(const struct config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_LIST:
        return "a list";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    case CONFIG_TYPE_STRING:
        return "text";
    case CONFIG_TYPE_BOOL:
        return "a truth value";
    default:
        return "a number";
    }
}

/* The setting's name for a sentence; an entry of a list has none of its own. */
static const char *title(const struct config_setting_t *setting)
{
    while (!config_setting_name(setting) && config_setting_parent(setting) &&
           config_setting_parent(config_setting_parent(setting)))
        setting = config_setting_parent(setting);
    return config_setting_name(setting) ? config_setting_name(setting) : "";
}

static bool wrong_type(const struct reader *r, const struct config_setting_t *setting,
                       const char *expected)
{
    report_value(r->report, r->source, setting, "\"%s\" is %s here: it takes %s", title(setting),
                 type_in_words(setting), expected);
    return false;
}

static bool wraps(const struct reader *r, const struct config_setting_t *setting)
{
    const struct spot *spot = spot_of(setting);

    if (!spot || !spot->wraps)
        return false;
    int length = (int)(spot->end - spot->value_start);
    const char *digits = r->source->text + spot->value_start;
    if (spot->is_bare_int)
        report_value(r->report, r->source, setting,
                     "%.*s does not fit into 32 bits, which is what a bare number has: write "
                     "%.*sL or put it in quotes",
                     length, digits, length, digits);
    else
        report_value(r->report, r->source, setting, "%.*s does not fit into 64 bits", length,
                     digits);
    return true;
}

static bool has_control_bytes(const struct reader *r, const struct config_setting_t *setting,
                              const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            report_value(r->report, r->source, setting,
                         "\"%s\" contains the control character 0x%02x: it takes one line of text",
                         title(setting), (unsigned)(unsigned char)*c);
            return true;
        }
    }
    return false;
}

bool key_string(const struct reader *r, const struct config_setting_t *setting, const char **ret)
{
    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return wrong_type(r, setting, "text in quotes");
    *ret = config_setting_get_string(setting);
    if (!*ret) /* libconfig's way to say "" */
        *ret = "";
    return !has_control_bytes(r, setting, *ret);
}

bool key_group(const struct reader *r, const struct config_setting_t *setting)
{
    return config_setting_is_group(setting) || wrong_type(r, setting, "a group, { … }");
}

bool key_groups(const struct reader *r, const struct config_setting_t *setting)
{
    if (!config_setting_is_list(setting))
        return wrong_type(r, setting, "a list of groups, ( { … }, { … } )");
    bool good = true;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const struct config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
        if (!config_setting_is_group(entry))
            good = wrong_type(r, entry, "groups, { … }, in its list");
    }
    return good;
}

bool key_required(const struct reader *r, const struct config_setting_t *group, const char *name,
                  const char *what, const char **ret)
{
    const struct config_setting_t *setting = key_find(group, name);

    if (setting)
        return key_string(r, setting, ret);
    report_value(r->report, r->source, group, "\"%s\" is missing: %s needs it", name, what);
    return false;
}

/* ---- words of options -------------------------------------------------------- */

static char *number_word(const struct reader *r, const struct config_setting_t *setting)
{
    const struct spot *spot = spot_of(setting);
    char *word = NULL;

    /* the digits as they were written: a double of libconfig's would round them */
    if (config_setting_type(setting) == CONFIG_TYPE_FLOAT)
        return strndup(r->source->text + spot->value_start, spot->end - spot->value_start);
    if (asprintf(&word, "%lld", config_setting_get_int64(setting)) < 0)
        return NULL;
    return word;
}

/* A byte size as a bare number is where libconfig's wrap bites: it must be quoted. */
static bool is_bare_size(const struct reader *r, const struct config_setting_t *setting,
                         const char *name)
{
    const struct spot *spot = spot_of(setting);

    if (!spot->is_bare_int && config_setting_type(setting) != CONFIG_TYPE_FLOAT)
        return false;
    report_value(r->report, r->source, setting,
                 "%.*s is a bare number, which would wrap beyond 32 bits: write a size in quotes, "
                 "such as %s = \"20G\"",
                 (int)(spot->end - spot->value_start), r->source->text + spot->value_start, name);
    return true;
}

bool key_word(const struct reader *r, const struct config_setting_t *setting,
              const struct weir_option *row, char **ret)
{
    const char *text;

    if (config_setting_is_aggregate(setting))
        return wrong_type(r, setting, "one value");
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        if (!key_string(r, setting, &text))
            return false;
        *ret = strdup(text);
        break;
    case CONFIG_TYPE_BOOL:
        *ret = strdup(config_setting_get_bool(setting) ? "true" : "false");
        break;
    default:
        if ((row->type == WEIR_SIZE && is_bare_size(r, setting, row->name)) || wraps(r, setting))
            return false;
        *ret = number_word(r, setting);
    }
    if (!*ret)
        report_memory(r->report);
    return *ret != NULL;
}

/* ---- fixed keys: read as if they were options of that type ------------------- */

static bool key_value(const struct reader *r, const struct config_setting_t *setting,
                      const struct weir_option *row, struct option_value *ret)
{
    cleanup_free char *word = NULL;
    cleanup_text struct weir_text why = { 0 };

    if (!key_word(r, setting, row, &word))
        return false;
    if (!value_parse(row, word, ret, &why))
        return true;
    report_value(r->report, r->source, setting, "%s", text_string(&why));
    return false;
}

bool key_bool(const struct reader *r, const struct config_setting_t *setting, bool *ret)
{
    struct weir_option row = { .name = config_setting_name(setting), .type = WEIR_BOOL };
    struct option_value value;

    if (!key_value(r, setting, &row, &value))
        return false;
    *ret = value.i;
    return true;
}

bool key_size(const struct reader *r, const struct config_setting_t *setting, uint64_t *ret)
{
    struct weir_option row = { .name = config_setting_name(setting), .type = WEIR_SIZE };
    struct option_value value;

    if (!key_value(r, setting, &row, &value))
        return false;
    *ret = value.u;
    return true;
}

bool key_time(const struct reader *r, const struct config_setting_t *setting, uint64_t *ret)
{
    struct weir_option row = { .name = config_setting_name(setting), .type = WEIR_TIME };
    struct option_value value;

    if (!key_value(r, setting, &row, &value))
        return false;
    *ret = value.u;
    return true;
}

bool key_choice(const struct reader *r, const struct config_setting_t *setting,
                const char *const *choices, int *ret)
{
    struct weir_option row = { .name = config_setting_name(setting),
                               .type = WEIR_CHOICE,
                               .choices = choices };
    struct option_value value;

    if (!key_value(r, setting, &row, &value))
        return false;
    *ret = (int)value.i;
    return true;
}

/* ---- names ------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *name_fault(const char *name, enum name_kind kind)
{
    /* what a source of replication looks for at its target: the log of a group */
    static const char log[] = "log:";
    bool of_log = kind == NAME_EXPORT && !strncmp(name, log, strlen(log));

    if (of_log)
        name += strlen(log);
    size_t length = strlen(name);
    if (!length)
        return of_log ? "has no group behind \"log:\"" : "is empty";
    if (length > NAME_LENGTH)
        return "is longer than 128 characters";
    if (kind == NAME_EXPORT && *name == '/')
        return "begins with a slash: it may have them inside only";
    if (!is_alphanumeric(*name))
        return "does not begin with a letter or digit";
    if (strstr(name, ".."))
        return "contains \"..\"";
    for (const char *c = name; *c; c++) {
        if (*c == '/' && kind == NAME_PLAIN)
            return "contains a slash";
        if (!is_alphanumeric(*c) && !strchr("._-/", *c))
            return kind == NAME_PLAIN ? "may have letters, digits, \".\", \"_\" and \"-\" only"
                                      : "may have letters, digits, \".\", \"_\", \"-\" and \"/\" "
                                        "only";
    }
    if (strstr(name, "//") || name[length - 1] == '/')
        return "has an empty part between its slashes";
    return NULL;
}

bool key_name(const struct reader *r, const struct config_setting_t *setting, enum name_kind kind,
              const char **ret)
{
    if (!key_string(r, setting, ret))
        return false;
    const char *fault = name_fault(*ret, kind);
    if (!fault)
        return true;
    report_value(r->report, r->source, setting, "the name \"%s\" %s", *ret, fault);
    return false;
}
