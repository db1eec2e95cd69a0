/* start.c - how does a configuration begin, how is it read again, and how does it end?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../events.h"
#include "../gateway.h"
#include "../scope.h"
#include "running.h"

#include <errno.h>
#include <string.h>

/* ---- start ------------------------------------------------------------------- */

static void tell_lame(const struct configuration *c)
{
    for (size_t i = 0; i < c->export_count; i++) {
        if (plan_is_lame(&c->exports[i].plan))
            event_post(WEIR_ERROR, c->exports[i].name, NULL,
                       "a filter of its policy cannot be loaded: the export stays locked");
    }
}

static int start(struct layout *layout, struct source_list *sources, struct report *report)
{
    struct configuration *c = NULL;

    if (!report->err && !configuration_make(sources->list, sources->count, layout, MISSING_LOCKS,
                                            NULL, &c, report)) {
        tell_lame(c);
        if (change_to(c, NULL, 0, report))
            configuration_unref(c);
    }
    source_list_finish(sources);
    layout_finish(layout);
    return report->err;
}

int config_start(const char *file, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct source_list sources = { 0 };
    struct layout layout = { 0 };

    running_begin();
    sources_load(file, &layout, &sources, &report);
    int err = start(&layout, &sources, &report);
    running_end();
    return err;
}

int config_start_text(const char *text, const char *folder, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct source_list sources = { 0 };
    struct layout layout = { 0 };

    running_begin();
    sources_load_text(text, folder, &layout, &sources, &report);
    int err = start(&layout, &sources, &report);
    running_end();
    return err;
}

/* ---- again ------------------------------------------------------------------- */

/* What did not change stays the same object, so that it is known as accepted. */
static void keep_unchanged(const struct configuration *old, struct source_list *new)
{
    for (size_t i = 0; i < new->count; i++) {
        for (size_t k = 0; k < old->source_count; k++) {
            struct source *was = old->sources[k], *is = new->list[i];
            if (was->kind != is->kind || strcmp(was->path, is->path) || was->size != is->size ||
                strcmp(was->name, is->name) || memcmp(was->text, is->text, is->size))
                continue;
            new->list[i] = source_ref(was);
            source_unref(is);
            break;
        }
    }
}

static void read_again(const struct configuration *old, struct report *report)
{
    struct source_list sources = { 0 };
    struct layout layout = { 0 };
    struct configuration *new = NULL;

    if (*old->layout.file)
        sources_reload(&old->layout, &layout, &sources, report);
    else
        sources_load_text(old->sources[0]->text, old->layout.path, &layout, &sources, report);
    if (!report->err) {
        keep_unchanged(old, &sources);
        configuration_make(sources.list, sources.count, &layout, STRICT, old, &new, report);
    }
    if (new &&change_to(new, NULL, 0, report))
        configuration_unref(new);
    source_list_finish(&sources);
    layout_finish(&layout);
}

int config_reload(struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };

    running_begin();
    struct configuration *old = running_get();
    if (old)
        read_again(old, &report);
    else
        report_file(&report, -ESHUTDOWN, "", "no configuration is running");
    configuration_unref(old);
    running_end();
    return report.err;
}

/* ---- the end ----------------------------------------------------------------- */

void config_stop(void)
{
    reopen_stop();
    running_begin();
    struct configuration *c = running_get();
    for (size_t i = 0; c && i < c->export_count; i++) {
        struct export *e = gateway_find(c->exports[i].name);
        if (!e)
            continue;
        gateway_remove(c->exports[i].name);
        export_close(e);
        export_unref(e);
    }
    configuration_unref(c);
    running_set(NULL);
    running_end();
}
