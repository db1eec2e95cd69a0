/* installer.c - where do packages go, whom does this host trust, and which gateways look there?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "installer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../config/config.h"

#define CONF "/etc/weir/weir.conf"

/* What filters_begin() has read. */
static struct trust trusted;

/* What the main file says of signatures; one that is not there says nothing. */
static enum exit_code read_trust(const struct invocation *invocation, struct trust *ret)
{
    const char *said = invocation->option[OPTION_CONF];
    cleanup_text struct weir_text text = { 0 };
    struct mistakes mistakes = { 0 };

    if (!said && access(CONF, F_OK))
        return DONE;
    int error = config_trust(said ? said : CONF, &ret->required, &ret->keys, &mistakes);
    if (!error)
        return DONE;
    mistakes_print(&mistakes, &text);
    mistakes_finish(&mistakes);
    return say(invocation, error, "whose filters are trusted cannot be told: %s",
               text_string(&text));
}

enum exit_code filters_begin(const struct invocation *invocation)
{
    const char *folders = invocation->option[OPTION_FILTERS];

    if (!folders)
        folders = getenv("WEIR_FILTERS");
    free(steal(trusted.keys));
    enum exit_code code = read_trust(invocation, &trusted);
    int error = code ? 0 : loader_path(folders && *folders ? folders : WEIR_FILTERDIR);
    if (!code && !error)
        error = trust_set(&trusted);
    return error ? say(invocation, error, "%s", strerror(-error)) : code;
}

enum exit_code installer_look(const struct invocation *invocation, struct installer *ret)
{
    const char *folders = invocation->option[OPTION_FILTERS];

    *ret = (struct installer){ .invocation = invocation, .lock = -1 };
    if (!folders)
        folders = getenv("WEIR_FILTERS");
    if (!folders || !*folders)
        folders = WEIR_FILTERDIR;
    ret->folder = enough(strndup(folders, strcspn(folders, ":")));
    enum exit_code code = read_trust(invocation, &ret->trust);
    return code ? code : filters_begin(invocation);
}

void installer_end(struct installer *i)
{
    gateways_close(&i->all);
    if (i->lock >= 0)
        close(i->lock);
    free(i->folder);
    free(i->trust.keys);
    *i = (struct installer){ .lock = -1 };
}

/* ---- gateways ---------------------------------------------------------------- */

static bool looks_in(struct json_object *show, const char *folder)
{
    cleanup_free char *folders = enough(strdup(text_of(member_of(show, "gateway"), "filters")));
    cleanup_free char *ours = realpath(folder, NULL);

    for (char *rest = folders, *one; (one = strsep(&rest, ":"));) {
        cleanup_free char *theirs = realpath(one, NULL);
        if (ours && theirs && strcmp(ours, theirs) == 0)
            return true;
    }
    return false;
}

/* A gateway that lives and is not asked would be left with a filter that nobody judged. */
static enum exit_code ask_who_looks(struct installer *i)
{
    for (size_t n = 0; n < i->all.count; n++) {
        struct gateway *gateway = &i->all.list[n];
        if (!gateway->control && (gateway->error == -ECONNREFUSED || gateway->error == -ENOENT))
            continue;
        if (!gateway->control || gateway_show(i->invocation, gateway, NULL))
            return say_silent(i->invocation, gateway);
        if (looks_in(gateway->show, i->folder))
            continue;
        control_close(gateway->control);
        gateway->control = NULL;
    }
    return DONE;
}

enum exit_code installer_begin(const struct invocation *invocation, struct installer *ret)
{
    cleanup_text struct weir_text why = { 0 };
    enum exit_code code = installer_look(invocation, ret);

    if (code)
        return code;
    if (invocation->option[OPTION_GATEWAY])
        return say_misuse(invocation, "what is installed is for all gateways: --gateway cannot "
                                      "choose one");
    int error = installed_lock(ret->folder, &ret->lock, &why);
    if (error)
        return say(invocation, error, "%s", text_string(&why));
    gateways_connect(invocation, &ret->all);
    return ask_who_looks(ret);
}

struct json_object *filter_request(const char *verb, const char *name)
{
    struct json_object *ask = request("do", NULL);

    add_text(ask, "verb", verb);
    add_text(ask, "filter", name);
    return ask;
}

char **installer_names(const struct installer *i)
{
    int error = loader_path(i->folder);

    return enough(error ? NULL : loader_names());
}

/* ---- packages ---------------------------------------------------------------- */

enum exit_code installer_judge(const struct installer *i, const struct package *p, const char *file,
                               char **signer)
{
    cleanup_text struct weir_text why = { 0 };

    *signer = NULL;
    if (p->manifest.abi != WEIR_ABI)
        return say(i->invocation, -ENOEXEC,
                   "%s was built for filter ABI %u and this weir has ABI %u: %s", file,
                   p->manifest.abi, WEIR_ABI,
                   p->manifest.abi > WEIR_ABI ? "upgrade weir" : "get a newer package");
    int error = i->trust.keys ? signature_check(i->trust.keys, p->text, p->text_size, p->signature,
                                                p->signature_size, signer, &why)
                              : -EKEYREJECTED;
    if (error && i->trust.required)
        return say(i->invocation, error, "%s is refused, for require_signed is set: %s", file,
                   text_string(&why));
    return DONE;
}

/* ---- origin ------------------------------------------------------------------ */

void origin_of(const char *name, const char *path, struct origin *ret)
{
    cleanup_free char *real = *path ? realpath(path, NULL) : NULL;
    struct trust any = { .keys = trusted.keys ? trusted.keys : (char *)"" };
    cleanup_manifest struct manifest m = { 0 };
    cleanup_free void *text = NULL, *bytes = NULL;
    size_t size, length;
    char *end = real ? strrchr(real, '/') : NULL;
    cleanup_text struct weir_text manifest = { 0 };

    *ret = (struct origin){ .signer = NULL };
    if (end && !read_whole(real, PACKAGE_FILE_MOST, &bytes, &length)) {
        weir_print(&manifest, "%.*s/" MANIFEST_NAME, (int)(end - real), real);
        if (!read_whole(text_string(&manifest), MANIFEST_MOST, &text, &size) &&
            !manifest_parse(text, size, &m, NULL) &&
            !trust_judge(&any, name, real, bytes, length, &ret->signer, NULL))
            ret->vendor = enough(strdup(m.vendor));
    }
    ret->vendor = ret->vendor ? ret->vendor : enough(strdup(""));
    ret->signer = ret->signer ? ret->signer : enough(strdup(""));
}

void origin_finish(struct origin *o)
{
    free(o->vendor);
    free(o->signer);
}
