/* policy.c - can the text of a policy, as it is edited in the mount, break a gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is checked as the text of a policy that exports name, of a new one, and of
 * one export's own; and each of its lines is tried as an option's value.  Checking
 * changes nothing. */
#include "config.h"
#include "gateway.h"
#include "site.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void judge(int err, struct mistakes *mistakes)
{
    must(!err == !mistakes->count, "refused without a sentence, or accepted with one");
    must(!err || err == -EINVAL, "refused otherwise than with EINVAL");
    mistakes_finish(mistakes);
}

/* What settings_set() takes it must print so that it takes it again. */
static void try_value(const char *name, const char *value)
{
    struct library *library = NULL;
    struct settings *s = NULL, *again = NULL;
    struct weir_text why = { 0 }, text = { 0 };

    must(!loader_get("cache", &library, NULL), "no filter");
    const struct weir_filter *f = &library->filter;
    must(!settings_create(f->options, f->config_size, &s, NULL), "no settings");
    must(!settings_create(f->options, f->config_size, &again, NULL), "no settings");
    const struct weir_option *row = option_find(f->options, name);
    if (settings_set(s, name, value, &why)) {
        must(why.length > 0, "an option was refused without a sentence");
    } else if (!(row->flags & WEIR_SECRET)) { /* which prints as "(secret)" */
        settings_print(s, name, &text);
        must(!settings_set(again, name, text_string(&text), NULL), text_string(&text));
        must(settings_equal(s, again, name), text_string(&text));
    }
    settings_destroy(s);
    settings_destroy(again);
    loader_put(library);
    text_finish(&why);
    text_finish(&text);
}

static void try_lines(char *text)
{
    static const char *const names[] = { "block", "delay", "rate", "ratio", "scrub",
                                         "depth", "mode",  "pool", NULL };
    char *rest = text, *line;

    for (int i = 0; i < 20 && (line = strsep(&rest, "\n")); i++) {
        for (const char *const *name = names; *name; name++)
            try_value(*name, line);
        try_value(line, "1");
    }
}

static void start(void)
{
    site_begin();
    atexit(site_end);
    site_write("weir.conf", "datastores = ( { name = \"ram\"; type = \"memory\"; } );\n"
                            "exports = ( { name = \"vm\"; datastore = \"ram\"; policy = \"p\"; },\n"
                            "{ name = \"x\"; datastore = \"ram\"; policy = \"p\"; options = (\n"
                            "{ filter = \"cache\"; depth = 3; } ); } );\n"
                            "include_policies = \"policies.d\";\n");
    site_write("policies.d/p.conf", "filters = ( { filter = \"cache\"; } );\n");
    must(!config_start("weir.conf", NULL), "no site");
    atexit(config_stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct mistakes mistakes = { 0 };
    char *text = strndup((const char *)data, size);

    if (!started)
        start();
    started = true;
    judge(config_policy_check("p", text, &mistakes), &mistakes);
    judge(config_policy_check("new", text, &mistakes), &mistakes);
    judge(config_export_policy_check("vm", text, &mistakes), &mistakes);
    try_lines(text);
    free(text);
    return 0;
}
