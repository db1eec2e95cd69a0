/* filter-relations.c - is what is installed fit for each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a package requires must be there before it, and stays while it is there.  Filters that
 * conflict may both be installed: it is a policy that may not have both (config/conflicts.c). */
#include <errno.h>
#include <string.h>

#include "installer.h"

static void print_wanted(const struct manifest_relation *r, struct weir_text *text)
{
    weir_print(text, "filter \"%s\"", r->filter);
    if (r->version)
        weir_print(text, ", version %s or newer", r->version);
}

/* Wherever it is found, and of a package or not: its own table says which version it is. */
static enum exit_code judge_required(const struct installer *i, const struct manifest_relation *r,
                                     const char *file)
{
    cleanup_text struct weir_text wanted = { 0 }, why = { 0 };
    struct library *library = NULL;

    print_wanted(r, &wanted);
    int error = loader_get(r->filter, &library, &why);
    if (error == -ENOENT)
        return say(i->invocation, -EINVAL,
                   "%s: the manifest, line %u: it requires %s, which is not installed: \"weirctl "
                   "filter install\" that first",
                   file, r->line, text_string(&wanted));
    if (error)
        return say(i->invocation, -EINVAL, "%s: the manifest, line %u: it requires %s: %s", file,
                   r->line, text_string(&wanted), text_string(&why));
    bool fits = !r->version || version_compare(library->filter.version, r->version) >= 0;
    enum exit_code code =
        fits ? DONE
             : say(i->invocation, -EINVAL,
                   "%s: the manifest, line %u: it requires %s, and version %s is installed: "
                   "\"weirctl filter upgrade\" that first",
                   file, r->line, text_string(&wanted), library->filter.version);
    loader_put(library);
    return code;
}

/* Prints who of the folder requires NAME, of a version that `version` (NULL: none at all) is not.
 */
static void print_in_need(const struct installer *i, const char *name, const char *version,
                          struct weir_text *text)
{
    cleanup_free char **names = installer_names(i);

    for (size_t n = 0; names[n]; n++) {
        cleanup_installed struct installed other = { 0 };
        cleanup_free char *path = NULL;
        if (strcmp(names[n], name) == 0 || installed_find(i->folder, names[n], &other, NULL) ||
            !other.id)
            continue;
        const struct manifest_relation *r = manifest_relation(&other.manifest.requires, name);
        if (!r || (version && (!r->version || version_compare(version, r->version) >= 0)))
            continue;
        path = enough(installed_path(i->folder, names[n], other.id, MANIFEST_NAME));
        weir_print(text, "%sfilter \"%s\" requires ", text->length ? "; " : "", names[n]);
        print_wanted(r, text);
        weir_print(text, " (%s, line %u)", path, r->line);
    }
}

enum exit_code relations_judge(const struct installer *i, const struct manifest *m,
                               const char *file)
{
    cleanup_text struct weir_text who = { 0 };
    enum exit_code code = DONE;

    for (size_t n = 0; !code && n < m->requires.count; n++)
        code = judge_required(i, &m->requires.list[n], file);
    if (code)
        return code;
    print_in_need(i, m->name, m->version, &who);
    return who.length ? say(i->invocation, -EBUSY,
                            "%s: version %s of filter \"%s\" is too old for what is installed: %s: "
                            "remove that first, or install a newer version of this",
                            file, m->version, m->name, text_string(&who))
                      : DONE;
}

enum exit_code relations_judge_removed(const struct installer *i, const char *name)
{
    cleanup_text struct weir_text who = { 0 };

    print_in_need(i, name, NULL, &who);
    return who.length
               ? say(i->invocation, -EBUSY, "filter \"%s\" is required: %s: remove that first",
                     name, text_string(&who))
               : DONE;
}
