/* filter-remove.c - how does a filter that nobody uses go?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "installer.h"

/* Asks all gateways; what each says stands in the sentences. */
static enum exit_code release(struct installer *i, const char *name, bool check_only)
{
    enum exit_code worst = DONE;

    for (size_t n = 0; n < i->all.count; n++) {
        struct json_object *ask;
        if (!i->all.list[n].control)
            continue;
        ask = filter_request("filter-release", name);
        add_flag(ask, "check", check_only);
        enum exit_code code = gateway_ask(i->invocation, &i->all.list[n], ask, NULL);
        worst = code > worst ? code : worst;
        if (worst && i->invocation->option[OPTION_JSON])
            break; /* one document */
    }
    return worst;
}

static enum exit_code remove_it(struct installer *i, const char *name, const char *id)
{
    cleanup_text struct weir_text why = { 0 };

    int error = installed_unpoint(i->folder, name, &why);
    if (error)
        return say(i->invocation, error, "%s", text_string(&why));
    enum exit_code code = release(i, name, false);
    if (!code) {
        installed_sweep(i->folder, name, NULL, NULL);
        return DONE;
    }
    error = installed_point(i->folder, name, id, &why); /* it was taken into use just now */
    return error ? say(i->invocation, error, "%s", text_string(&why)) : code;
}

static enum exit_code print_removed(const struct installer *i, const struct installed *was)
{
    struct json_object *ret;

    if (!i->invocation->option[OPTION_JSON]) {
        printf("filter %s, version %s by %s, is removed\n", was->manifest.name,
               was->manifest.version, was->manifest.vendor);
        return finish_output(i->invocation);
    }
    ret = document();
    add_text(ret, "removed", was->manifest.name);
    add_text(ret, "version", was->manifest.version);
    return print_document(i->invocation, ret);
}

enum exit_code ctl_filter_remove(const struct invocation *invocation)
{
    cleanup_installer struct installer i = { .lock = -1 };
    cleanup_installed struct installed was = { 0 };
    cleanup_text struct weir_text why = { 0 };
    const char *name = invocation->words[0];
    enum exit_code code = installer_begin(invocation, &i);

    if (code)
        return code;
    int error = is_plain_word(name, MANIFEST_NAME_MOST) ? installed_find(i.folder, name, &was, &why)
                                                        : -ENOENT;
    if (error == -ENOENT) {
        cleanup_free char **names = installer_names(&i);
        print_nearest(&why, name, (const char *const *)names);
        return say(invocation, error, "there is no filter \"%s\" in %s%s", name, i.folder,
                   text_string(&why));
    }
    if (error)
        return say(invocation, error, "%s", text_string(&why));
    if (!was.id)
        return say(invocation, -EPERM,
                   "filter \"%s\" in %s is of no package: whoever put it there takes it away", name,
                   i.folder);
    code = relations_judge_removed(&i, name);
    if (!code)
        code = release(&i, name, true);
    if (!code)
        code = remove_it(&i, name, was.id);
    return code ? code : print_removed(&i, &was);
}
