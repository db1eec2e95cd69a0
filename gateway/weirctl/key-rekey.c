/* key-rekey.c - how does a disk go over to another key, so that at each moment the one that the
 * option key names opens it? SPDX-License-Identifier: BSD-3-Clause
 *
 * rekey KEY:    a key slot for the new key; then the option names it; then the old slot goes.
 * rekey --deep: the filter encrypts the whole disk with another volume key while it works, whether
 *               weirctl watches or not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "progress.h"

#define WATCH_SECONDS 0.3

/* ---- another key slot -------------------------------------------------------- */

static enum exit_code set_key(const struct invocation *invocation, const struct keyed *disk,
                              const char *key)
{
    cleanup_text struct weir_text path = { 0 };

    keyed_path(disk, "options/key", &path);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", key);
    return gateway_ask(invocation, disk->gateway, ask, NULL);
}

static enum exit_code rekey(const struct invocation *invocation, const struct keyed *disk,
                            const char *key)
{
    bool named = strcmp(text_of(member_of(disk->filter, "options"), "key"), key) == 0;
    struct json_object *answer = NULL;
    enum exit_code code = DONE;

    if (!named)
        code = keyed_verb(invocation, disk, "rekeying", "rekey", key, NULL);
    if (!code && !named)
        code = set_key(invocation, disk, key);
    if (!code)
        code = keyed_verb(invocation, disk, "rekeying", "rekey", key, &answer);
    if (!code)
        code = keyed_finish(invocation, disk, "rekey", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

/* ---- another volume key ------------------------------------------------------ */

/* The caller frees *value. */
static enum exit_code statistic(const struct invocation *invocation, const struct keyed *disk,
                                const char *name, char **value)
{
    cleanup_text struct weir_text path = { 0 };
    cleanup_text struct weir_text rest = { 0 };
    struct json_object *answer = NULL;

    weir_print(&rest, "stats/%s", name);
    keyed_path(disk, text_string(&rest), &path);
    enum exit_code code =
        gateway_ask(invocation, disk->gateway, request("get", text_string(&path)), &answer);
    if (!code) {
        const char *text = text_of(answer, "text");
        *value = enough(strndup(text, strcspn(text, "\n")));
    }
    json_object_put(answer);
    return code;
}

/* Until the disk is not rekeyed any more; *state is then what it is, to free(). */
static enum exit_code watch(const struct invocation *invocation, const struct keyed *disk,
                            struct progress *progress, char **state)
{
    const double begun = now_seconds();
    const double most = timeout_ms(invocation, 0) / 1000.0; /* 0: as long as it takes */

    for (;;) {
        cleanup_free char *percent = NULL;
        enum exit_code code = statistic(invocation, disk, "state", state);
        if (code || strcmp(*state, "rekeying") != 0)
            return code;
        code = statistic(invocation, disk, "rekey_progress_percent", &percent);
        if (code)
            return code;
        if (most > 0 && now_seconds() - begun > most)
            return say(invocation, -ETIMEDOUT,
                       "%s %% of \"%s\" have the new volume key, and the work goes on without "
                       "weirctl: weirctl key status %s",
                       percent, disk->export, disk->export);
        progress_tell(progress, atoi(percent));
        free(*state);
        *state = NULL;
        wait_seconds(WATCH_SECONDS);
    }
}

static enum exit_code rekey_deep(const struct invocation *invocation, const struct keyed *disk)
{
    cleanup_text struct weir_text what = { 0 };
    cleanup_free char *state = NULL;
    struct progress progress;
    enum exit_code code = keyed_verb(invocation, disk, "rekeying", "rekey-deep", NULL, NULL);

    if (code)
        return code;
    weir_print(&what, "rekeying %s", disk->export);
    progress_init(&progress, text_string(&what), invocation->option[OPTION_JSON] != NULL);
    code = watch(invocation, disk, &progress, &state);
    progress_finish(&progress);
    if (code)
        return code;
    if (strcmp(state, "unlocked") != 0)
        return say(invocation, -EIO,
                   "\"%s\" is %s and was not rekeyed to its end: weirctl key status %s says why",
                   disk->export, state, disk->export);
    return keyed_finish(invocation, disk, "rekey-deep", "the whole disk has a new volume key");
}

enum exit_code ctl_key_rekey(const struct invocation *invocation)
{
    cleanup_keyed struct keyed disk = { 0 };
    const char *key = invocation->words[1];
    bool deep = invocation->option[OPTION_DEEP] != NULL;
    enum exit_code code = key ? judge_key(invocation, key) : DONE;

    if (!code && !key == !deep)
        code = say_misuse(invocation,
                          "rekey needs either KEY, where the new passphrase comes from, or --deep "
                          "for a new volume key");
    if (!code)
        code = keyed_open(invocation, &disk);
    if (code)
        return code;
    return deep ? rekey_deep(invocation, &disk) : rekey(invocation, &disk, key);
}
