/* config.c - can the text of configuration files break what reads them?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is up to five files, parted by lines "----": the main file, one of policies,
 * one of exports, and the overrides of export "vm" and of datastore "ram".  What is
 * refused must be refused with sentences that have a place; what is accepted must survive
 * being printed as an export's own policy and read again. */
#include "configuration.h"
#include "running.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct file {
    enum source_kind kind;
    const char *name;
} files[] = {
    { SOURCE_MAIN, "weir.conf" },
    { SOURCE_POLICY, "policies.d/p.conf" },
    { SOURCE_EXPORTS, "exports.d/e.conf" },
    { SOURCE_OVERRIDE, "overrides.d/vm.conf" },
    { SOURCE_DATASTORE, "overrides.d/datastores/ram.conf" },
};
enum { FILES = sizeof files / sizeof *files };
static const struct layout layout = { .file = (char *)"weir.conf",
                                      .name = (char *)"",
                                      .path = (char *)"/",
                                      .policies = (char *)"/policies.d" };

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* ---- what is refused --------------------------------------------------------- */

static void judge_mistakes(const struct mistakes *mistakes)
{
    must(mistakes->count > 0, "refused without a sentence");
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct mistake *m = &mistakes->list[i];
        must(*m->file && *m->sentence, "a mistake without a file or a sentence");
        must(!m->line == !m->column, "a line without a column");
    }
}

/* ---- what is accepted -------------------------------------------------------- */

/* Every setting has its spot, and the spot its bytes. */
static void judge_spots(const struct source *s, const struct config_setting_t *setting)
{
    const struct spot *spot = spot_of(setting);
    const char *name = config_setting_name(setting);

    if (spot) {
        must(spot->start <= spot->value_start && spot->value_start < spot->end &&
                 spot->end <= s->size,
             "a spot outside of its text");
        must(!name || !strncmp(s->text + spot->start, name, strlen(name)),
             "a spot of another name");
    }
    for (int i = 0; config_setting_is_aggregate(setting) && i < config_setting_length(setting); i++)
        judge_spots(s, config_setting_get_elem(setting, (unsigned)i));
}

/* The printed policy of an export, read as its own, gives the same plan. */
static void judge_effective(const struct configuration *c, const struct export_entry *e)
{
    struct report report = { 0 };
    struct weir_text text = { 0 };
    struct source *own = NULL;
    struct configuration *again = NULL;
    __attribute__((cleanup(source_list_finish))) struct source_list all = { 0 };

    must(!effective_text(c, e, &text), "no effective text");
    char *path = override_path(&c->layout, e->name);
    must(
        !source_parse(SOURCE_OVERRIDE, "own", path, text_string(&text), text.length, &own, &report),
        text_string(&text));
    free(path);
    for (size_t i = 0; i < c->source_count; i++) {
        if (c->sources[i] != e->override)
            must(!source_list_add(&all, source_ref(c->sources[i])), "no memory");
    }
    must(!source_list_add(&all, own), "no memory");
    must(!configuration_make(all.list, all.count, &c->layout, STRICT, NULL, &again, &report),
         text_string(&text));
    const struct export_entry *same = export_entry_find(again, e->name);
    must(same && plan_equal(&same->plan, &e->plan), text_string(&text));
    text_finish(&text);
    configuration_unref(again);
}

/* An option that is set in a text leaves a text, with that value and no other change. */
static void judge_splice(const struct source *s, const struct config_setting_t *list)
{
    for (int i = 0; list && i < config_setting_length(list); i++) {
        const struct config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        struct report report = { 0 };
        struct weir_text text = { 0 };
        struct source *changed = NULL;
        splice_key(s, group, "spliced", "\"in \\\" here\"", "filter", &text);
        must(!source_parse(s->kind, s->name, s->path, text_string(&text), text.length, &changed,
                           &report),
             text_string(&text));
        const struct config_setting_t *now =
            config_setting_get_member(source_root(changed), config_setting_name(list));
        now = config_setting_get_elem(now, (unsigned)i);
        must(config_setting_length(now) ==
                 config_setting_length(group) + !key_find(group, "spliced"),
             text_string(&text));
        must(!strcmp(config_setting_get_string(key_find(now, "spliced")), "in \" here"),
             text_string(&text));
        source_unref(changed);
        text_finish(&text);
    }
}

static void judge_configuration(const struct configuration *c)
{
    for (size_t i = 0; i < c->policy_count; i++)
        judge_splice(c->policies[i].source,
                     key_find(source_root(c->policies[i].source), "filters"));
    for (size_t i = 0; i < c->export_count && i < 4; i++)
        judge_effective(c, &c->exports[i]);
}

/* ---- the input --------------------------------------------------------------- */

static void parse_files(const char *data, size_t size, struct source_list *all,
                        struct report *report)
{
    for (size_t i = 0; i < FILES && data; i++) {
        const char *end = memmem(data, size, "\n----\n", 6);
        size_t length = end ? (size_t)(end - data) : size;
        struct source *s = NULL;
        if (!source_parse(files[i].kind, files[i].name, files[i].name, data, length, &s, report)) {
            judge_spots(s, source_root(s));
            must(!source_list_add(all, s), "no memory");
        }
        data = end ? end + 6 : NULL;
        size -= end ? length + 6 : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct mistakes mistakes = { 0 };
    struct report report = { .mistakes = &mistakes };
    __attribute__((cleanup(source_list_finish))) struct source_list all = { 0 };
    struct configuration *c = NULL;

    if (!started)
        must(!loader_path(SAMPLE_FILTERS), "no filters");
    started = true;
    parse_files((const char *)data, size, &all, &report);
    if (!report.err)
        configuration_make(all.list, all.count, &layout, STRICT, NULL, &c, &report);
    must(!c == (report.err != 0), "neither refused nor accepted");
    if (c)
        judge_configuration(c);
    else
        judge_mistakes(&mistakes);
    configuration_unref(c);
    mistakes_finish(&mistakes);
    return 0;
}
