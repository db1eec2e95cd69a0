/* replica-failback.c - how does a site whose disks clients had become the target of the other one?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Its vault is told to be a target again, which it can only when nobody serves the disks.  Nothing
 * is copied by it; the other site sends what either of them has written since they parted.  A vault
 * that would give up writes refuses unless it is told that they may go: then the disks are served
 * again as before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "progress.h"
#include "replica.h"

/* The verb of either site, with the words that both take. */
static enum exit_code run_verb(const struct invocation *invocation, const struct replica *replica,
                               const char *doing, const char *verb, struct json_object **answer)
{
    static const char *const words[2][2] = { { NULL, "dry-run" },
                                             { "discard", "discard dry-run" } };
    const bool discard = invocation->option[OPTION_DISCARD];
    const bool dry = invocation->option[OPTION_DRY_RUN];

    return filtered_verb(invocation, &replica->end, doing, verb, words[discard][dry], answer);
}

static enum exit_code demote(const struct invocation *invocation, const struct replica *replica,
                             struct json_object **answer)
{
    return run_verb(invocation, replica, "demoting", "demote", answer);
}

/* ---- the disks that are served here ---------------------------------------------------------- */

/* Those that are not closed are, and put on the list. */
static enum exit_code close_heads(const struct invocation *invocation,
                                  const struct replica *replica, struct json_object *closed)
{
    struct json_object *disks = member_of(replica->status, "disks");

    for (size_t i = 0; i < items_of(disks); i++) {
        struct json_object *head =
            replica_head(replica, text_of(json_object_array_get_idx(disks, i), "name"));
        const char *name = text_of(head, "name");
        if (!head || strcmp(text_of(head, "state"), "closed") == 0)
            continue;
        enum exit_code code = replica_head_do(invocation, replica, "close", name);
        if (code)
            return code;
        json_object_array_add(closed, enough(json_object_new_string(name)));
    }
    return DONE;
}

static void open_again(const struct invocation *invocation, const struct replica *replica,
                       struct json_object *closed)
{
    for (size_t i = 0; i < items_of(closed); i++)
        replica_head_do(invocation, replica, "open",
                        json_object_get_string(json_object_array_get_idx(closed, i)));
}

/* Who has a disk open would get errors. */
static enum exit_code judge_clients(const struct invocation *invocation,
                                    const struct replica *replica)
{
    struct json_object *disks = member_of(replica->status, "disks");

    for (size_t i = 0; i < items_of(disks); i++) {
        struct json_object *head =
            replica_head(replica, text_of(json_object_array_get_idx(disks, i), "name"));
        unsigned clients = (unsigned)number_of(head, "connections");
        if (clients)
            return say(invocation, -EBUSY, "%u %s of \"%s\" %s connected: end its guest first",
                       clients, clients == 1 ? "client" : "clients", text_of(head, "name"),
                       clients == 1 ? "is" : "are");
    }
    return DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum exit_code become_target(const struct invocation *invocation,
                                    const struct replica *replica, struct json_object **answer)
{
    struct json_object *closed = enough(json_object_new_array());
    enum exit_code code = judge_clients(invocation, replica);

    if (!code)
        code = close_heads(invocation, replica, closed);
    if (!code)
        code = demote(invocation, replica, answer);
    if (code && replica->end.gateway->control) /* else it is dead, and begins with them */
        open_again(invocation, replica, closed);
    json_object_put(closed);
    return code;
}

/* ---- at the site that shall have them again ----------------------------------------------------
 */

/* More than what is written there now: it is fetching, and not only following. */
static bool lacks_more(const struct replica *replica)
{
    return strcmp(text_of(replica->status, "state"), "fetching") == 0 &&
           !json_object_get_boolean(member_of(replica->status, "fetch_following"));
}

/* Until there is nothing left to fetch but what is written from now on. */
static enum exit_code watch_fetch(const struct invocation *invocation, struct replica *replica)
{
    const double end = now_seconds() + timeout_ms(invocation, 0) / 1000.0;
    cleanup_text struct weir_text what = { 0 };
    uint64_t first = 1, left = 0;
    struct progress progress;
    cleanup_free char *why = NULL;
    int error = 0;

    weir_print(&what, "fetching %s", replica->end.export);
    progress_init(&progress, text_string(&what), invocation->option[OPTION_JSON] != NULL);
    while (!(error = replica_look(invocation, replica, &why)) && lacks_more(replica)) {
        left = number_of(replica->status, "fetch_left");
        first = left > first ? left : first;
        if (invocation->option[OPTION_TIMEOUT] && now_seconds() > end)
            break;
        progress_tell(&progress, left ? (int)((first - left) * 100 / first) : 0);
        wait_seconds(WATCH_SECONDS);
        free(why);
        why = NULL;
    }
    progress_finish(&progress);
    if (error)
        return *why ? say(invocation, error, "%s", why)
                    : say_silent(invocation, replica->end.gateway);
    if (lacks_more(replica))
        return say(invocation, -ETIMEDOUT,
                   "%s are not fetched yet, and the work goes on without weirctl: weirctl replica "
                   "status %s",
                   bytes_number((double)(left * GRANULE)).text, replica->end.export);
    return DONE;
}

static enum exit_code fetch(const struct invocation *invocation, struct replica *replica)
{
    const bool dry = invocation->option[OPTION_DRY_RUN];
    struct json_object *answer = NULL;
    cleanup_text struct weir_text text = { 0 };
    enum exit_code code = run_verb(invocation, replica, "telling", "failback", &answer);

    if (!code && !dry && !invocation->option[OPTION_NO_WAIT])
        code = watch_fetch(invocation, replica);
    weir_print(&text, "%s", text_of(answer, "text"));
    if (!code && !dry)
        weir_print(
            &text,
            "; the disk follows the other site: end the guest there, then run weirctl replica "
            "failback there");
    if (!code)
        code = filtered_finish(invocation, &replica->end, dry ? "nothing" : "failback",
                               text_string(&text));
    json_object_put(answer);
    return code;
}

/* ---- either ------------------------------------------------------------------------------------
 */

enum exit_code ctl_replica_failback(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *answer = NULL;
    cleanup_text struct weir_text already = { 0 };
    bool dry = invocation->option[OPTION_DRY_RUN], source;
    enum exit_code code = replica_either(invocation, &replica, &source);

    if (code)
        return code;
    if (source)
        return fetch(invocation, &replica);
    if (strcmp(text_of(replica.status, "role"), "target") == 0) {
        weir_print(&already, "group \"%s\" is a target here already",
                   text_of(replica.status, "group"));
        return filtered_finish(invocation, &replica.end, "nothing", text_string(&already));
    }
    code =
        dry ? demote(invocation, &replica, &answer) : become_target(invocation, &replica, &answer);
    if (!code)
        code = filtered_finish(invocation, &replica.end, dry ? "nothing" : "failback",
                               text_of(answer, "text"));
    json_object_put(answer);
    return code;
}
