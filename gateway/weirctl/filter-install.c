/* filter-install.c - how does a package come to be what all gateways run?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All is judged before anything is touched: the package, what is installed, the filter's own
 * table, and by each running gateway what its files ask of the filter.  Then one rename() makes
 * it the installed one, and gateway after gateway goes over.  If one refuses all go back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "installer.h"

struct step {
    struct installer installer;
    struct package package;
    const char *name;
    char id[PACKAGE_ID];
    struct installed before; /* id NULL: a file of no package, or nothing */
    bool there;              /* anything of the name */
    bool fresh;              /* this run has staged it */
    char *signer;
    struct json_object *exports; /* that went over */
};
#define cleanup_step __attribute__((cleanup(step_end)))

static void step_end(struct step *s)
{
    installer_end(&s->installer);
    package_finish(&s->package);
    installed_finish(&s->before);
    json_object_put(s->exports);
    free(s->signer);
}

/* ---- judging ----------------------------------------------------------------- */

/* A file of no package that is the very filter may become the package's. */
static bool is_same_file(const struct step *s)
{
    char object[OBJECT_NAME];
    cleanup_text struct weir_text path = { 0 };
    cleanup_free void *data = NULL;
    size_t size = 0, wanted;
    const void *bytes = package_object(&s->package, &wanted);

    object_name(s->name, object);
    weir_print(&path, "%s/%s", s->installer.folder, object);
    return !read_whole(text_string(&path), PACKAGE_FILE_MOST, &data, &size) && size == wanted &&
           memcmp(data, bytes, size) == 0;
}

static enum exit_code judge_new(const struct step *s)
{
    const struct invocation *invocation = s->installer.invocation;

    if (!s->there || (s->before.id && strcmp(s->before.id, s->id) == 0))
        return DONE;
    if (s->before.id)
        return say(
            invocation, -EEXIST,
            "filter \"%s\" is installed already, version %s by %s: \"weirctl filter upgrade\" "
            "replaces it",
            s->name, s->before.manifest.version, s->before.manifest.vendor);
    if (is_same_file(s))
        return DONE;
    return say(invocation, -EEXIST,
               "there is a filter \"%s\" in %s already, which is of no package: \"weirctl filter "
               "upgrade\" replaces it",
               s->name, s->installer.folder);
}

static enum exit_code judge_other(const struct step *s)
{
    const struct invocation *invocation = s->installer.invocation;
    const char *vendor = s->package.manifest.vendor;

    if (!s->there)
        return say(invocation, -ENOENT,
                   "filter \"%s\" is not installed in %s: \"weirctl filter install\" does that",
                   s->name, s->installer.folder);
    if (s->before.id && strcmp(s->before.manifest.vendor, vendor))
        return say(
            invocation, -EEXIST,
            "filter \"%s\" is installed from %s, and this one is by %s: if they are the same, "
            "remove the former first",
            s->name, s->before.manifest.vendor, vendor);
    return DONE;
}

/* Of the staged file: what it says of itself is what its manifest says of it. */
static enum exit_code judge_table(const struct step *s)
{
    const struct invocation *invocation = s->installer.invocation;
    const struct manifest *m = &s->package.manifest;
    cleanup_text struct weir_text why = { 0 };
    char object[OBJECT_NAME];
    struct library *library = NULL;
    enum exit_code code = DONE;

    object_name(s->name, object);
    cleanup_free char *path = enough(installed_path(s->installer.folder, s->name, s->id, object));
    int error = loader_candidate(s->name, path, &library, &why);
    if (error)
        return say(invocation, error, "%s", text_string(&why));
    if (strcmp(class_name(library->filter.klass), m->class) ||
        strcmp(library->filter.version, m->version) || library->filter.abi != m->abi)
        code = say(invocation, -EINVAL,
                   "the manifest says class %s, version %s and ABI %u, and the filter itself class "
                   "%s, version %s and ABI %u: it was packed wrongly",
                   m->class, m->version, m->abi, class_name(library->filter.klass),
                   library->filter.version, library->filter.abi);
    loader_put(library);
    return code;
}

static enum exit_code judge_gateways(struct step *s)
{
    struct gateways *all = &s->installer.all;

    for (size_t i = 0; i < all->count; i++) {
        cleanup_text struct weir_text what = { 0 };
        struct json_object *ask = NULL;
        if (!all->list[i].control)
            continue;
        ask = filter_request("filter-prepare", s->name);
        add_text(ask, "package", s->id);
        weir_print(&what, "asking gateway %s", all->list[i].name);
        enum exit_code code =
            gateway_ask_long(s->installer.invocation, &all->list[i], ask, text_string(&what), NULL);
        if (code)
            return code;
    }
    return DONE;
}

/* ---- going over -------------------------------------------------------------- */

/* "EXPORT\tFROM\tTO\tNS" */
static void take_line(struct step *s, const char *gateway, char *line)
{
    const char *export = strsep(&line, "\t"), *from = strsep(&line, "\t"),
               *to = strsep(&line, "\t");
    struct json_object *entry;

    if (!line)
        return;
    entry = document();
    add_text(entry, "gateway", gateway);
    add_text(entry, "export", export);
    add_text(entry, "from", from);
    add_text(entry, "to", to);
    add_number(entry, "paused_ns", strtoull(line, NULL, 10));
    json_object_array_add(s->exports, entry);
}

static enum exit_code gateway_goes_over(struct step *s, struct gateway *gateway)
{
    cleanup_text struct weir_text what = { 0 };
    struct json_object *answer = NULL;

    weir_print(&what, "gateway %s goes over to filter %s", gateway->name, s->name);
    enum exit_code code =
        gateway_ask_long(s->installer.invocation, gateway,
                         filter_request("filter-upgrade", s->name), text_string(&what), &answer);
    if (code)
        return code;
    cleanup_free char *lines = enough(strdup(text_of(answer, "text")));
    for (char *rest = lines, *line; (line = strsep(&rest, "\n"));)
        take_line(s, gateway->name, line);
    json_object_put(answer);
    return DONE;
}

static int point_back(const struct step *s, struct weir_text *why)
{
    const char *folder = s->installer.folder;

    if (s->before.id)
        return installed_point(folder, s->name, s->before.id, why);
    return s->there ? installed_plain_back(folder, s->name, why)
                    : installed_unpoint(folder, s->name, why);
}

/* The first `count` gateways had gone over.  Why it is done has been told. */
static void go_back(struct step *s, size_t count)
{
    struct gateways *all = &s->installer.all;
    cleanup_text struct weir_text why = { 0 };

    if (point_back(s, &why)) {
        fprintf(stderr, "weirctl: what was installed before could not be put back: %s\n",
                text_string(&why));
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (all->list[i].control)
            gateway_goes_over(s, &all->list[i]);
    if (s->fresh)
        installed_discard(s->installer.folder, s->name, s->id);
    if (!s->installer.invocation->option[OPTION_JSON])
        fputs("weirctl: everything was put back as it was\n", stderr);
}

static enum exit_code go_over(struct step *s)
{
    struct gateways *all = &s->installer.all;
    cleanup_text struct weir_text why = { 0 };
    const char *folder = s->installer.folder;

    int error = s->there && !s->before.id ? installed_keep_plain(folder, s->name, &why) : 0;
    if (!error)
        error = installed_point(folder, s->name, s->id, &why);
    if (error)
        return say(s->installer.invocation, error, "%s", text_string(&why));
    for (size_t i = 0; i < all->count; i++) {
        enum exit_code code = all->list[i].control ? gateway_goes_over(s, &all->list[i]) : DONE;
        if (code) {
            go_back(s, i);
            return code;
        }
    }
    installed_sweep(folder, s->name, s->id, s->before.id);
    return DONE;
}

/* ---- the commands ------------------------------------------------------------ */

static enum exit_code open_package(struct step *s, const char *file)
{
    const struct invocation *invocation = s->installer.invocation;
    cleanup_text struct weir_text why = { 0 };

    int error = package_load(file, &s->package, &why);
    if (error)
        return say(invocation, error, "%s", text_string(&why));
    s->name = s->package.manifest.name;
    error = package_id(&s->package, s->id);
    if (error)
        return say(invocation, error, "%s", strerror(-error));
    enum exit_code code = installer_judge(&s->installer, &s->package, file, &s->signer);
    if (code)
        return code;
    error = installed_find(s->installer.folder, s->name, &s->before, &why);
    s->there = error != -ENOENT;
    return error && error != -ENOENT ? say(invocation, error, "%s", text_string(&why)) : DONE;
}

static enum exit_code print_done(const struct step *s)
{
    const struct manifest *m = &s->package.manifest;
    uint64_t longest = 0;

    if (s->installer.invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "name", s->name);
        add_text(ret, "version", m->version);
        add_text(ret, "vendor", m->vendor);
        add_text(ret, "signed_by", s->signer ? s->signer : "");
        add_text(ret, "package", s->id);
        add_item(ret, "exports", json_object_get(s->exports));
        return print_document(s->installer.invocation, ret);
    }
    for (size_t i = 0; i < items_of(s->exports); i++) {
        struct json_object *e = json_object_array_get_idx(s->exports, i);
        uint64_t ns = number_of(e, "paused_ns");
        longest = ns > longest ? ns : longest;
        printf("%s: %s to %s, paused %.1f ms\n", text_of(e, "export"), or_dash(text_of(e, "from")),
               text_of(e, "to"), (double)ns / 1e6);
    }
    printf("filter %s, version %s by %s, %s%s, is installed", s->name, m->version, m->vendor,
           s->signer              ? "signed by "
           : s->package.signature ? "signed by nobody known here"
                                  : "not signed",
           s->signer ? s->signer : "");
    if (items_of(s->exports))
        printf("; the longest pause was %.1f ms", (double)longest / 1e6);
    puts("");
    return finish_output(s->installer.invocation);
}

static enum exit_code put_in_place(struct step *s)
{
    cleanup_text struct weir_text why = { 0 };
    const char *folder = s->installer.folder;

    int error = installed_stage(folder, &s->package, s->id, &s->fresh, &why);
    if (error)
        return say(s->installer.invocation, error, "%s", text_string(&why));
    enum exit_code code = judge_table(s);
    if (!code)
        code = judge_gateways(s);
    if (!code)
        return go_over(s);
    if (s->fresh)
        installed_discard(folder, s->name, s->id);
    return code;
}

static enum exit_code run(const struct invocation *invocation,
                          enum exit_code (*judge)(const struct step *))
{
    cleanup_step struct step s = { .exports = enough(json_object_new_array()) };
    enum exit_code code = installer_begin(invocation, &s.installer);

    if (!code)
        code = open_package(&s, invocation->words[0]);
    if (!code)
        code = judge(&s);
    if (!code)
        code = relations_judge(&s.installer, &s.package.manifest, invocation->words[0]);
    if (!code)
        code = put_in_place(&s);
    return code ? code : print_done(&s);
}

enum exit_code ctl_filter_install(const struct invocation *invocation)
{
    return run(invocation, judge_new);
}

/* What lies in the folder already: a gateway that did not go over to it does. */
static enum exit_code apply(const struct invocation *invocation, const char *name)
{
    cleanup_step struct step s = { .exports = enough(json_object_new_array()), .name = name };
    cleanup_text struct weir_text why = { 0 };
    enum exit_code code = installer_begin(invocation, &s.installer);

    if (code)
        return code;
    int error = installed_find(s.installer.folder, name, &s.before, &why);
    if (error == -ENOENT)
        return say(invocation, error, "there is no file %s, and no filter of that name in %s", name,
                   s.installer.folder);
    for (size_t i = 0; !error && i < s.installer.all.count; i++)
        if (s.installer.all.list[i].control &&
            (code = gateway_goes_over(&s, &s.installer.all.list[i])))
            return code;
    if (error)
        return say(invocation, error, "%s", text_string(&why));
    if (!s.before.id) {
        s.package.manifest = (struct manifest){ .version = enough(strdup("of no package")),
                                                .vendor = enough(strdup("unknown")) };
    } else {
        s.package.manifest = s.before.manifest;
        s.before.manifest = (struct manifest){ 0 };
        strcpy(s.id, s.before.id);
    }
    return print_done(&s);
}

enum exit_code ctl_filter_upgrade(const struct invocation *invocation)
{
    const char *word = invocation->words[0];

    if (access(word, F_OK) && is_plain_word(word, MANIFEST_NAME_MOST) && !strstr(word, ".tar.zst"))
        return apply(invocation, word);
    return run(invocation, judge_other);
}
