/* replica-sync.c - how is a target brought in step, or compared, while somebody watches?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The verbs return at once; the status says how far the work is.  Whether somebody watches makes
 * no difference to it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "progress.h"
#include "replica.h"

enum { PATIENCE = 3 }; /* s without progress, until trouble ends the wait */

enum outcome { UNDER_WAY, ENDED, STUCK, SILENT };

struct watch {
    bool verify;
    uint64_t first;      /* bytes to send or to compare when it began */
    uint64_t mismatches; /* that were found before */
    uint64_t token;      /* of before: a source that meets its target anew gets another */
    uint64_t asked;      /* LSN behind the last digest that was sent; 0: not all are */
    uint64_t left;       /* bytes to send or to compare, when last looked at */
    double since;        /* s: no fewer since then */
    int error;
    char *why;
};

/* ---- until it is done ------------------------------------------------------------------ */

/* In these states nothing is sent, and nothing will be until somebody does something. */
static bool stands_still(struct json_object *status)
{
    static const char *const states[] = {
        "fenced", "fork", "refused", "detached", "waiting", NULL
    };

    for (size_t i = 0; states[i]; i++)
        if (strcmp(text_of(status, "state"), states[i]) == 0)
            return true;
    return false;
}

/* A target that cannot apply what it has received compares nothing. */
static const char *trouble_of(struct json_object *status)
{
    const char *own = text_of(status, "last_error");

    return *own ? own : text_of(status, "target_error");
}

static uint64_t bytes_left(const struct watch *watch, struct json_object *status)
{
    uint64_t all = number_of(status, "verify_total"), done = number_of(status, "verify_done");

    if (watch->verify)
        return all > done ? all - done : 0;
    return number_of(status, "dirty_granules") * GRANULE;
}

/* Nothing is left to send; but a source that has not met its target yet does not know what that
 * lacks, and a target that has not applied the last digest has not compared it. */
static bool is_over(struct watch *watch, struct json_object *status)
{
    if (!watch->verify)
        return strcmp(text_of(status, "state"), "connecting") != 0 &&
               (replica_is_plain(status) || number_of(status, "fence_token") != watch->token);
    if (!watch->asked)
        watch->asked = number_of(status, "lsn");
    const char *there = member_of(status, "applied_lsn") ? "applied_lsn" : "complete_lsn";
    return number_of(status, there) >= watch->asked;
}

static enum outcome look(const struct invocation *invocation, struct replica *replica,
                         struct watch *watch)
{
    free(watch->why);
    watch->error = replica_look(invocation, replica, &watch->why);
    if (watch->error)
        return SILENT;
    uint64_t left = bytes_left(watch, replica->status);
    if (left < watch->left || !watch->since)
        watch->since = now_seconds();
    watch->left = left;
    if (stands_still(replica->status))
        return STUCK;
    if (!left && is_over(watch, replica->status))
        return ENDED;
    return *trouble_of(replica->status) && now_seconds() - watch->since > PATIENCE ? STUCK
                                                                                   : UNDER_WAY;
}

static int percent_of(const struct watch *watch, struct json_object *status)
{
    uint64_t all = watch->verify ? number_of(status, "verify_total") : watch->first;

    return all > watch->left ? (int)((all - watch->left) * 100 / all) : 0;
}

static enum outcome watch_work(const struct invocation *invocation, struct replica *replica,
                               const char *doing, struct watch *watch)
{
    const double end = now_seconds() + timeout_ms(invocation, 0) / 1000.0;
    const bool for_ever = !invocation->option[OPTION_TIMEOUT];
    cleanup_text struct weir_text what = { 0 };
    enum outcome outcome;
    struct progress progress;

    weir_print(&what, "%s %s", doing, replica->end.export);
    progress_init(&progress, text_string(&what), invocation->option[OPTION_JSON] != NULL);
    while ((outcome = look(invocation, replica, watch)) == UNDER_WAY) {
        if (watch->left > watch->first)
            watch->first = watch->left;
        if (!for_ever && now_seconds() > end)
            break;
        progress_tell(&progress, percent_of(watch, replica->status));
        wait_seconds(WATCH_SECONDS);
    }
    progress_finish(&progress);
    return outcome;
}

static enum exit_code say_outcome(const struct invocation *invocation,
                                  const struct replica *replica, const struct watch *watch,
                                  enum outcome outcome)
{
    const char *export = replica->end.export, *why = trouble_of(replica->status);
    struct number left = bytes_number((double)watch->left);
    const char *rest = watch->verify ? "are not compared yet" : "are to be sent";

    switch (outcome) {
    case UNDER_WAY:
        return say(invocation, -ETIMEDOUT,
                   "%s of \"%s\" %s, and the work goes on without weirctl: weirctl replica status "
                   "%s",
                   left.text, export, rest, export);
    case STUCK:
        return say(invocation, -EIO, "%s of \"%s\" %s, and it gets no further: it is %s%s%s",
                   left.text, export, rest, text_of(replica->status, "state"), *why ? ": " : "",
                   why);
    case SILENT:
        if (!watch->why || !*watch->why)
            return say_silent(invocation, replica->end.gateway);
        return say(invocation, watch->error, "%s", watch->why);
    case ENDED:
        break;
    }
    return DONE;
}

/* ---- resync ---------------------------------------------------------------------------- */

static enum exit_code work(const struct invocation *invocation, struct replica *replica,
                           const char *doing, struct watch *watch, struct json_object **answer)
{
    const char *verb = invocation->command->verb;
    const char *argument = invocation->option[OPTION_ALL] ? "all" : NULL;

    watch->first = watch->left = bytes_left(watch, replica->status);
    watch->token = number_of(replica->status, "fence_token");
    watch->mismatches = number_of(replica->status, "mismatches");
    enum exit_code code = filtered_verb(invocation, &replica->end, doing, verb, argument, answer);
    if (code || invocation->option[OPTION_NO_WAIT])
        return code;
    watch->left = UINT64_MAX;
    watch->since = now_seconds();
    enum outcome outcome = watch_work(invocation, replica, doing, watch);
    code = say_outcome(invocation, replica, watch, outcome);
    free(watch->why);
    return code;
}

static enum exit_code say_plan(const struct invocation *invocation, const struct replica *replica)
{
    bool all = invocation->option[OPTION_ALL];
    struct json_object *disks = member_of(replica->status, "disks");
    struct json_object *disk = entry_of(disks, "name", replica->end.export);
    uint64_t bytes =
        all ? number_of(disk, "size") : number_of(replica->status, "dirty_granules") * GRANULE;
    cleanup_text struct weir_text text = { 0 };

    weir_print(&text,
               "%s of \"%s\" would be sent to %s%s; until all of it is there the target stays at "
               "its last whole state",
               bytes_number((double)bytes).text, replica->end.export,
               text_of(replica->status, "target"), all ? ", and what it asks for" : "");
    return filtered_finish(invocation, &replica->end, "nothing", text_string(&text));
}

enum exit_code ctl_replica_resync(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct watch watch = { 0 };
    struct json_object *answer = NULL;
    enum exit_code code = replica_source(invocation, &replica);

    if (!code && invocation->option[OPTION_DRY_RUN])
        return say_plan(invocation, &replica);
    if (!code)
        code = work(invocation, &replica, "resync of", &watch, &answer);
    if (!code)
        code = filtered_finish(invocation, &replica.end, "resync", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

/* ---- verify ------------------------------------------------------------------------------ */

static enum exit_code say_result(const struct invocation *invocation, const struct replica *replica,
                                 const struct watch *watch)
{
    struct json_object *status = replica->status;
    uint64_t all = number_of(status, "verify_total"), now = number_of(status, "mismatches");
    uint64_t found = now > watch->mismatches ? now - watch->mismatches : 0;
    cleanup_text struct weir_text text = { 0 };

    weir_print(&text, "%s were compared, %" PRIu64 " granules of 64 KiB differed%s",
               bytes_number((double)all).text, found, found ? ": they are sent again" : "");
    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", replica->end.gateway->name);
        add_text(ret, "export", replica->end.export);
        add_text(ret, "done", "verify");
        add_text(ret, "text", text_string(&text));
        add_number(ret, "compared_bytes", all);
        add_number(ret, "mismatches", found);
        print_document(invocation, ret);
    } else {
        puts(text_string(&text));
    }
    enum exit_code code = finish_output(invocation);
    return code ? code : found ? FAILED : DONE;
}

enum exit_code ctl_replica_verify(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct watch watch = { .verify = true };
    struct json_object *answer = NULL;
    enum exit_code code = replica_source(invocation, &replica);

    if (!code)
        code = work(invocation, &replica, "verify of", &watch, &answer);
    if (!code && invocation->option[OPTION_NO_WAIT])
        code = filtered_finish(invocation, &replica.end, "verify", text_of(answer, "text"));
    else if (!code)
        code = say_result(invocation, &replica, &watch);
    json_object_put(answer);
    return code;
}
