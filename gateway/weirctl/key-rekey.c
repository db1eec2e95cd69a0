/* key-rekey.c - how does a disk go over to another key, so that at each moment the one that the
 * option key names opens it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * rekey KEY:    a key slot for the new key; then the option names it; then the old slot goes.
 * rekey --deep: the filter encrypts the whole disk with another volume key while it works, whether
 *               weirctl watches or not; the other key slots, which know the old one, are lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "progress.h"

#define WATCH_SECONDS 0.3

enum outcome { UNDER_WAY, ENDED, PAUSED, SILENT };

/* What is known of a disk that is rekeyed. */
struct watch {
    int percent;
    double since, patience; /* s: no further since then; when to ask why */
    int error;              /* of asking for the state, which is then what was said */
    char *state, *why;
};

/* ---- another key slot -------------------------------------------------------- */

static enum exit_code set_key(const struct invocation *invocation, const struct filtered *disk,
                              const char *key)
{
    cleanup_text struct weir_text path = { 0 };

    filtered_path(disk, "options/key", &path);
    struct json_object *ask = request("set", text_string(&path));
    add_text(ask, "text", key);
    return gateway_ask(invocation, disk->gateway, ask, NULL);
}

static enum exit_code rekey(const struct invocation *invocation, const struct filtered *disk,
                            const char *key, bool quiet)
{
    bool named = strcmp(text_of(member_of(disk->filter, "options"), "key"), key) == 0;
    struct json_object *answer = NULL;
    enum exit_code code = DONE;

    if (!named)
        code = filtered_verb(invocation, disk, "rekeying", "rekey", key, NULL);
    if (!code && !named)
        code = set_key(invocation, disk, key);
    if (!code)
        code = filtered_verb(invocation, disk, "rekeying", "rekey", key, &answer);
    if (!code && !quiet)
        code = filtered_finish(invocation, disk, "rekey", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

/* ---- another volume key ------------------------------------------------------ */

/* Why the filter has stopped in the middle, which only its verb status tells; NULL: it has not.
 * The caller frees it. */
static char *why_paused(const struct invocation *invocation, const struct filtered *disk)
{
    static const char pauses[] = "it pauses: ";
    cleanup_free char *text = NULL;
    const char *why = filtered_ask(invocation, disk, "status", &text) ? NULL : strstr(text, pauses);

    if (!why)
        return NULL;
    why += sizeof(pauses) - 1;
    return enough(strndup(why, strcspn(why, "\n")));
}

/* A disk that gets no further may only be large: it is asked why, less and less often. */
static bool is_paused(const struct invocation *invocation, const struct filtered *disk,
                      struct watch *watch, int percent)
{
    if (percent != watch->percent) {
        watch->percent = percent;
        watch->since = now_seconds();
        watch->patience = 2;
    }
    if (now_seconds() - watch->since < watch->patience)
        return false;
    watch->patience *= 2;
    free(watch->why);
    watch->why = why_paused(invocation, disk);
    return watch->why;
}

static enum outcome look(const struct invocation *invocation, const struct filtered *disk,
                         struct watch *watch)
{
    cleanup_free char *percent = NULL;

    free(watch->state);
    watch->state = NULL;
    watch->error = filtered_statistic(invocation, disk, "state", &watch->state);
    if (watch->error)
        return SILENT;
    if (strcmp(watch->state, "rekeying") != 0)
        return ENDED;
    /* it may have ended just now: the state is asked again */
    if (filtered_statistic(invocation, disk, "rekey_progress_percent", &percent))
        return UNDER_WAY;
    return is_paused(invocation, disk, watch, atoi(percent)) ? PAUSED : UNDER_WAY;
}

/* Says nothing while the bar is on the screen. */
static enum outcome watch_deep(const struct invocation *invocation, const struct filtered *disk,
                               struct watch *watch)
{
    const double end = now_seconds() + timeout_ms(invocation, 0) / 1000.0;
    const bool for_ever = !invocation->option[OPTION_TIMEOUT];
    cleanup_text struct weir_text what = { 0 };
    enum outcome outcome;
    struct progress progress;

    weir_print(&what, "rekeying %s", disk->export);
    progress_init(&progress, text_string(&what), invocation->option[OPTION_JSON] != NULL);
    while ((outcome = look(invocation, disk, watch)) == UNDER_WAY) {
        if (!for_ever && now_seconds() > end)
            break;
        progress_tell(&progress, watch->percent);
        wait_seconds(WATCH_SECONDS);
    }
    progress_finish(&progress);
    return outcome;
}

static enum exit_code say_outcome(const struct invocation *invocation, const struct filtered *disk,
                                  const struct watch *watch, enum outcome outcome)
{
    switch (outcome) {
    case UNDER_WAY:
        return say(invocation, -ETIMEDOUT,
                   "%d %% of \"%s\" have the new volume key, and the work goes on without "
                   "weirctl: weirctl key status %s",
                   watch->percent, disk->export, disk->export);
    case PAUSED:
        return say(invocation, -EIO, "%d %% of \"%s\" have the new volume key, and it pauses: %s",
                   watch->percent, disk->export, watch->why);
    case SILENT:
        if (!*watch->state)
            return say_silent(invocation, disk->gateway);
        return say(invocation, watch->error, "%s", watch->state);
    case ENDED:
        break;
    }
    if (strcmp(watch->state, "unlocked") == 0)
        return DONE;
    return say(invocation, -EIO,
               "\"%s\" is %s and was not rekeyed to its end: weirctl key status %s says why",
               disk->export, watch->state, disk->export);
}

static enum exit_code watch_to_end(const struct invocation *invocation, const struct filtered *disk)
{
    struct watch watch = { .percent = -1 };
    enum outcome outcome = watch_deep(invocation, disk, &watch);
    enum exit_code code = say_outcome(invocation, disk, &watch, outcome);

    free(watch.state);
    free(watch.why);
    return code;
}

/* What the verb says names the key slots that are lost: it is said before the long wait. */
static enum exit_code rekey_deep(const struct invocation *invocation, const struct filtered *disk,
                                 const char *key)
{
    struct json_object *answer = NULL;
    enum exit_code code = filtered_verb(invocation, disk, "rekeying", "rekey-deep", key, &answer);
    bool json = invocation->option[OPTION_JSON] != NULL;

    if (!code && !json)
        code = filtered_finish(invocation, disk, "", text_of(answer, "text"));
    if (!code)
        code = watch_to_end(invocation, disk);
    if (!code)
        code = filtered_finish(invocation, disk, "rekey-deep",
                               json ? text_of(answer, "text")
                                    : "the whole disk has the new volume key");
    json_object_put(answer);
    return code;
}

/* ---- both -------------------------------------------------------------------- */

/* The deep one follows the other, so that the option always names a key that opens the disk. */
enum exit_code ctl_key_rekey(const struct invocation *invocation)
{
    cleanup_filtered struct filtered disk = { 0 };
    const char *key = invocation->words[1];
    bool deep = invocation->option[OPTION_DEEP] != NULL;
    enum exit_code code = key ? judge_key(invocation, key) : DONE;

    if (!code && !key && !deep)
        code = say_misuse(invocation, "rekey needs KEY, where the new passphrase comes from, or "
                                      "--deep, for a new volume key");
    if (!code)
        code = key_open(invocation, &disk);
    if (!code && key)
        code = rekey(invocation, &disk, key, deep);
    if (code || !deep)
        return code;
    return rekey_deep(invocation, &disk,
                      key ? key : text_of(member_of(disk.filter, "options"), "key"));
}
