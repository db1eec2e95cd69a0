/* filter-verify.c - are the installed filters, or is a package, what somebody trusted has made?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "installer.h"

struct verdict {
    struct installer installer;
    struct table table;
    struct json_object *list;
    unsigned bad;
};

static void add_verdict(struct verdict *v, const char *name, const struct manifest *m,
                        const char *signer, const char *reason)
{
    const char *cells[] = { name, m ? m->version : "-", m ? m->vendor : "-", or_dash(signer),
                            *reason ? reason : "good" };
    struct json_object *entry = document();

    table_add(&v->table, cells);
    add_text(entry, "name", name);
    add_flag(entry, "packaged", m != NULL);
    if (m) {
        add_text(entry, "version", m->version);
        add_text(entry, "vendor", m->vendor);
    }
    add_text(entry, "signed_by", signer);
    add_flag(entry, "good", !*reason);
    add_text(entry, "reason", reason);
    json_object_array_add(v->list, entry);
    v->bad += *reason != '\0';
}

/* The bytes as they lie there, of which nothing runs. */
static void verify_installed(struct verdict *v, const char *name)
{
    const struct installer *i = &v->installer;
    cleanup_installed struct installed is = { 0 };
    cleanup_text struct weir_text why = { 0 }, path = { 0 };
    cleanup_free char *real = NULL, *signer = NULL;
    cleanup_free void *bytes = NULL;
    char object[OBJECT_NAME];
    size_t size = 0;

    object_name(name, object);
    weir_print(&path, "%s/%s", i->folder, object);
    int error = installed_find(i->folder, name, &is, &why);
    if (!error && !(real = realpath(text_string(&path), NULL)))
        error = -errno;
    if (!error)
        error = read_whole(real, PACKAGE_FILE_MOST, &bytes, &size);
    if (error && !why.length)
        weir_print(&why, "%s: %s", text_string(&path), strerror(-error));
    if (!error)
        error = trust_judge(&i->trust, name, real, bytes, size, &signer, &why);
    if (!error && is.id)
        error = installed_verify(i->folder, &is, &why);
    add_verdict(v, name, is.id ? &is.manifest : NULL, signer ? signer : "", text_string(&why));
}

static enum exit_code verify_package(struct verdict *v, const char *file)
{
    const struct installer *i = &v->installer;
    cleanup_package struct package p = { 0 };
    cleanup_text struct weir_text why = { 0 };
    cleanup_free char *signer = NULL;

    int error = package_load(file, &p, &why);
    if (error)
        return say(i->invocation, error, "%s", text_string(&why));
    enum exit_code code = installer_judge(i, &p, file, &signer);
    if (!code)
        add_verdict(v, p.manifest.name, &p.manifest, signer ? signer : "", "");
    return code;
}

static enum exit_code verify(struct verdict *v, const char *word)
{
    const struct invocation *invocation = v->installer.invocation;
    cleanup_free char **names = installer_names(&v->installer);
    cleanup_text struct weir_text near = { 0 };

    if (word && (strchr(word, '/') || strstr(word, ".tar.zst")))
        return verify_package(v, word);
    for (size_t i = 0; names[i]; i++)
        if (!word || strcmp(word, names[i]) == 0)
            verify_installed(v, names[i]);
    if (!word || items_of(v->list))
        return DONE;
    print_nearest(&near, word, (const char *const *)names);
    return say(invocation, -ENOENT,
               "there is no filter \"%s\" in %s%s; a package is named by its path", word,
               v->installer.folder, text_string(&near));
}

enum exit_code ctl_filter_verify(const struct invocation *invocation)
{
    const char *titles[] = { "FILTER", "VERSION", "VENDOR", "SIGNED BY", "VERDICT", NULL };
    struct verdict v = { .list = enough(json_object_new_array()) };
    enum exit_code code = installer_look(invocation, &v.installer);

    table_begin(&v.table, titles);
    if (!code)
        code = verify(&v, invocation->words[0]);
    if (code) {
        json_object_put(v.list);
        table_finish(&v.table);
    } else {
        code = print_list(invocation, "filters", v.list, &v.table);
    }
    installer_end(&v.installer);
    return code ? code : v.bad ? REJECTED : DONE;
}
