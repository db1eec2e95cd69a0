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

#include "replica.h"

static enum exit_code demote(const struct invocation *invocation, const struct replica *replica,
                             bool dry, struct json_object **answer)
{
    cleanup_text struct weir_text words = { 0 };

    weir_print(&words, "%s%s%s", invocation->option[OPTION_DISCARD] ? "discard" : "",
               invocation->option[OPTION_DISCARD] && dry ? " " : "", dry ? "dry-run" : "");
    return filtered_verb(invocation, &replica->end, "demoting", "demote",
                         words.length ? text_string(&words) : NULL, answer);
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
        code = demote(invocation, replica, false, answer);
    if (code)
        open_again(invocation, replica, closed);
    json_object_put(closed);
    return code;
}

enum exit_code ctl_replica_failback(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *answer = NULL;
    cleanup_text struct weir_text already = { 0 };
    bool dry = invocation->option[OPTION_DRY_RUN];
    enum exit_code code = replica_target(invocation, &replica);

    if (code)
        return code;
    if (strcmp(text_of(replica.status, "role"), "target") == 0) {
        weir_print(&already, "group \"%s\" is a target here already",
                   text_of(replica.status, "group"));
        return filtered_finish(invocation, &replica.end, "nothing", text_string(&already));
    }
    code = dry ? demote(invocation, &replica, true, &answer)
               : become_target(invocation, &replica, &answer);
    if (!code)
        code = filtered_finish(invocation, &replica.end, dry ? "nothing" : "failback",
                               text_of(answer, "text"));
    json_object_put(answer);
    return code;
}
