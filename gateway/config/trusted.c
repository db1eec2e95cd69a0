/* trusted.c - whose filters may a gateway load?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>

#define KEYS "trusted.d" /* beside the main file */

void trusted_read(struct configuration *c, const struct reader *r)
{
    const struct config_setting_t *root = source_root(r->source);
    const struct config_setting_t *required = key_find(root, "require_signed");
    const struct config_setting_t *keys = key_find(root, "trusted_keys");
    const char *folder = KEYS;

    if (required)
        key_bool(r, required, &c->trust.required);
    if (keys && key_string(r, keys, &folder) && !*folder)
        report_value(r->report, r->source, keys,
                     "\"trusted_keys\" is empty: it takes a folder of public keys, *.pem");
    free(c->trust.keys);
    c->trust.keys = path_join(c->layout.path, folder);
    if (!c->trust.keys)
        report_memory(r->report);
}

/* Of the main file alone: what it includes may be wrong, which is not the question. */
int config_trust(const char *file, bool *required, char **keys, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    cleanup_free char *path = realpath(file, NULL);
    struct configuration c = { 0 };
    struct source *s = NULL;

    *keys = NULL;
    if (source_load(SOURCE_MAIN, file, file, &s, &report))
        return report.err;
    char *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        *slash = '\0';
    c.layout.path = path ? path : (char *)"";
    trusted_read(&c, &(const struct reader){ s, &report, NULL });
    source_unref(s);
    *required = c.trust.required;
    *keys = c.trust.keys;
    return report.err;
}
