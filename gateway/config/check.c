/* check.c - is a file right, said without a gateway?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>

static bool is_text(const struct source *s, const char *key)
{
    const struct config_setting_t *setting = key_find(source_root(s), key);

    return setting && config_setting_type(setting) == CONFIG_TYPE_STRING;
}

/* What kind of file it is shows in its keys. */
static enum source_kind kind_of(const struct source *s)
{
    if (source_is_main(s))
        return SOURCE_MAIN;
    if (is_text(s, "image") || is_text(s, "datastore"))
        return SOURCE_EXPORTS;
    if (source_is_policy(s))
        return SOURCE_POLICY;
    if (key_find(source_root(s), "options"))
        return SOURCE_OVERRIDE;
    return SOURCE_MAIN;
}

static void check_policy(const char *file, const struct source *s, struct report *report)
{
    static const struct layout nowhere = { .file = (char *)"",
                                           .name = (char *)"",
                                           .path = (char *)"" };
    struct configuration *c = NULL;
    struct source *policy = NULL;

    if (source_parse(SOURCE_POLICY, file, file, s->text, s->size, &policy, report))
        return;
    configuration_make(&policy, 1, &nowhere, STRICT, NULL, &c, report);
    configuration_unref(c);
    source_unref(policy);
}

/* One export by itself: whether its datastore and policy exist, only the main file knows. */
static void check_export(struct source *s, struct report *report)
{
    struct configuration alone = { 0 };
    const struct reader r = { s, report };

    export_read(&alone, &r, source_root(s));
    for (size_t i = 0; i < alone.export_count; i++)
        export_entry_finish(&alone.exports[i]);
    free(alone.exports);
}

static void check_main(const char *file, struct report *report)
{
    struct source_list sources = { 0 };
    struct configuration *c = NULL;
    struct layout layout = { 0 };

    if (!sources_load(file, &layout, &sources, report))
        configuration_make(sources.list, sources.count, &layout, STRICT, NULL, &c, report);
    configuration_unref(c);
    source_list_finish(&sources);
    layout_finish(&layout);
}

int config_check(const char *file, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct source *s = NULL;

    if (source_load(SOURCE_MAIN, file, file, &s, &report))
        return report.err;
    switch (kind_of(s)) {
    case SOURCE_POLICY:
        check_policy(file, s, &report);
        break;
    case SOURCE_EXPORTS:
        check_export(s, &report);
        break;
    case SOURCE_OVERRIDE:
    case SOURCE_DATASTORE: /* kind_of() does not tell: it has no key of its own */
        report_file(&report, -EINVAL, file,
                    "this is an export's own file: only the main file can tell whether it is "
                    "right");
        break;
    case SOURCE_MAIN:
        check_main(file, &report);
        break;
    }
    source_unref(s);
    return report.err;
}
