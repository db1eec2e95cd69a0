/* edit-datastore.c - how does a key of a datastore change while its disks are open?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The main file is the user's, and may hold much else: what was set stands in a file of
 * ours beside it, which goes when the main file says the same. */
#include "../scope.h"
#include "../text.h"
#include "edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Everything that can be wrong with the one word, with its own errno.  *ret: the keys as
 * they will be. */
static int judge(const struct datastore_entry *d, const char *key, const char *value,
                 struct settings **ret, struct weir_text *why)
{
    const struct weir_option *row = option_find(datastore_rows, key);

    if ((row && !(row->flags & WEIR_LIVE)) || option_find(d->type->options, key)) {
        weir_print(why,
                   "\"%s\" of datastore \"%s\" cannot change while disks are open: edit %s and "
                   "reload",
                   key, d->name, d->source->name);
        return -EPERM;
    }
    int err = settings_copy(d->keys, ret);
    return err ? err : settings_set(*ret, key, value, why);
}

/* What differs from the main file. */
static void write_keys(const struct datastore_entry *d, const struct settings *keys,
                       struct weir_text *text)
{
    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        cleanup_text struct weir_text value = { 0 };
        if (!(row->flags & WEIR_LIVE) || settings_equal(d->said, keys, row->name))
            continue;
        settings_print(keys, row->name, &value);
        weir_print(text, "%s = ", row->name);
        print_literal(row, text_string(&value), text);
        weir_print(text, ";\n");
    }
}

static int replace_file(struct edit *e, const struct datastore_entry *d, const char *text)
{
    cleanup_free char *path = datastore_file(e->old->layout.path, d->name);
    cleanup_free char *name = datastore_file(e->old->layout.name, d->name);

    if (!path || !name) {
        report_memory(e->report);
        return -ENOMEM;
    }
    if (!*text)
        edit_remove(e, d->override);
    int err = *text ? edit_replace(e, SOURCE_DATASTORE, d->override, name, path, text) : 0;
    if (!err)
        err = edit_check(e);
    return err ? err : edit_apply(e, (const char *const[]){ name });
}

static int set_key(struct edit *e, const char *name, const char *key, const char *value,
                   bool check_only, struct weir_text *why)
{
    const struct datastore_entry *d = datastore_entry_find(e->old, name);
    cleanup_text struct weir_text text = { 0 };
    struct settings *keys = NULL;

    if (!d) {
        weir_print(why, "there is no datastore \"%s\"", name);
        return -ENOENT;
    }
    int err = judge(d, key, value, &keys, why);
    if (!err)
        write_keys(d, keys, &text);
    settings_destroy(keys);
    if (err || check_only)
        return err;
    if (text.cut)
        return -ENOMEM;
    if (!text.length && !d->override)
        return 0; /* it is so already */
    return replace_file(e, d, text_string(&text));
}

int config_set_datastore(const char *name, const char *key, const char *value, bool check_only,
                         struct weir_text *why)
{
    struct value_edit v;
    int err = -ESHUTDOWN;

    if (value_edit_begin(&v))
        err = set_key(&v.edit, name, key, value, check_only, why);
    value_edit_end(&v, why);
    return err;
}
