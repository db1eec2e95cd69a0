/* replica-failover.c - how does a group go over to its target, and what is lost by it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Three ways: at the target, whose newest whole state or an older one becomes what clients get;
 * at the source while it lives, which hands over and loses nothing; and as a test, which changes
 * nothing at all: clients get copies of a point that they may write to (gateway/dynamic.h). */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "replica.h"

/* ---- the disks of the group ---------------------------------------------------------------- */

/* Of an export's URI, with more behind the export's name. */
static void print_uri(const char *uri, const char *more, struct weir_text *ret)
{
    size_t name = strcspn(uri, "?");

    text_append(ret, uri, name);
    for (; *more; more++)
        if (isalnum((unsigned char)*more) || strchr("-._~", *more))
            text_append(ret, more, 1);
        else
            weir_print(ret, "%%%02X", (unsigned char)*more);
    weir_print(ret, "%s", uri + name);
}

static struct json_object *disk_document(const char *disk, struct json_object *head,
                                         const char *more)
{
    struct json_object *ret = document();
    cleanup_text struct weir_text uri = { 0 };

    add_text(ret, "disk", disk);
    if (!head)
        return ret;
    add_text(ret, "export", text_of(head, "name"));
    if (strcmp(text_of(head, "uri"), "none") != 0)
        print_uri(text_of(head, "uri"), more, &uri);
    add_text(ret, "uri", text_string(&uri));
    return ret;
}

/* Each disk with the URI that `more` makes of its export's; `open`: after that was opened.  The
 * worst exit code: that no export serves a disk is none. */
static enum exit_code collect_disks(const struct invocation *invocation,
                                    const struct replica *replica, const char *more, bool open,
                                    struct json_object *list)
{
    struct json_object *disks = member_of(replica->status, "disks");
    enum exit_code worst = DONE;

    for (size_t i = 0; i < items_of(disks); i++) {
        const char *disk = text_of(json_object_array_get_idx(disks, i), "name");
        struct json_object *head = replica_head(replica, disk);
        enum exit_code code = DONE;
        if (open && head)
            code = replica_head_do(invocation, replica, "open", text_of(head, "name"));
        worst = code ? code : worst;
        json_object_array_add(list, disk_document(disk, head, more));
    }
    return worst;
}

static void print_disks(const struct replica *replica, struct json_object *list)
{
    for (size_t i = 0; i < items_of(list); i++) {
        struct json_object *disk = json_object_array_get_idx(list, i);
        const char *name = text_of(disk, "disk"), *uri = text_of(disk, "uri");
        if (!member_of(disk, "export"))
            printf("%s: no export serves it: one with the image \"%s/%s\" of this vault would\n",
                   name, text_of(replica->status, "group"), name);
        else
            printf("%s %s\n", name, *uri ? uri : "(the gateway does not listen for clients)");
    }
}

static enum exit_code print_result(const struct invocation *invocation,
                                   const struct replica *replica, const char *done,
                                   const char *text, const struct loss *loss,
                                   struct json_object *disks)
{
    cleanup_text struct weir_text lost = { 0 };
    size_t length = strcspn(text, "\n");

    if (invocation->option[OPTION_JSON]) {
        struct json_object *ret = document();
        add_text(ret, "gateway", replica->end.gateway->name);
        add_text(ret, "export", replica->end.export);
        add_text(ret, "group", text_of(replica->status, "group"));
        add_text(ret, "done", done);
        add_text(ret, "text", text);
        if (loss)
            add_item(ret, "lost", loss_document(loss));
        add_item(ret, "disks", disks);
        return print_document(invocation, ret);
    }
    if (length)
        printf("%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    if (loss)
        loss_print(loss, &lost);
    if (lost.length)
        printf("%s\n", text_string(&lost));
    print_disks(replica, disks);
    json_object_put(disks);
    return finish_output(invocation);
}

/* ---- at the target --------------------------------------------------------------------------- */

static enum exit_code find_point(const struct invocation *invocation, struct replica *replica,
                                 struct json_object **points, struct json_object **point)
{
    const char *word = invocation->option[OPTION_POINT];
    enum exit_code code;

    if (!word || strcmp(word, "latest") == 0)
        return DONE;
    code = replica_points(invocation, replica, points);
    return code ? code : replica_find_point(invocation, *points, word, point);
}

static bool is_primary(const struct replica *replica)
{
    return strcmp(text_of(replica->status, "role"), "primary") == 0;
}

static enum exit_code promote(const struct invocation *invocation, const struct replica *replica,
                              bool dry, struct json_object **answer)
{
    const char *point = invocation->option[OPTION_POINT];
    cleanup_text struct weir_text words = { 0 };

    weir_print(&words, "%s%s", point ? point : "latest", dry ? " dry-run" : "");
    return filtered_verb(invocation, &replica->end, "promoting", "promote", text_string(&words),
                         answer);
}

/* What had been sent may have gone on arriving until the group was promoted: only now it is known
 * up to where all is there.  `loss` is as of before. */
static void look_again(const struct invocation *invocation, struct replica *replica,
                       struct loss *loss)
{
    const uint64_t received = loss->lsn + loss->unfinished;
    cleanup_free char *why = NULL;

    if (replica_look(invocation, replica, &why) != 0)
        return;
    *loss = replica_loss(replica->status, NULL, NULL);
    loss->unfinished = received > loss->lsn ? received - loss->lsn : 0;
}

/* A group that is primary here already, since its source has handed it over or since a failover
 * that was cut short, only has its disks opened. */
static enum exit_code go_over(const struct invocation *invocation, struct replica *replica,
                              struct json_object *point)
{
    bool dry = invocation->option[OPTION_DRY_RUN];
    const char *word = invocation->option[OPTION_POINT];
    bool primary = is_primary(replica) && !word;
    struct loss loss = replica_loss(replica->status, word, point);
    struct json_object *answer = NULL, *disks = enough(json_object_new_array());
    cleanup_text struct weir_text already = { 0 };
    enum exit_code code = primary ? DONE : promote(invocation, replica, dry, &answer);

    if (code) {
        json_object_put(disks);
        return code;
    }
    if (!primary && !dry && (!word || strcmp(word, "latest") == 0))
        look_again(invocation, replica, &loss);
    weir_print(&already, "group \"%s\" is primary here already", text_of(replica->status, "group"));
    enum exit_code opened = collect_disks(invocation, replica, "", !dry, disks);
    code = print_result(invocation, replica, dry ? "nothing" : "failover",
                        primary ? text_string(&already) : text_of(answer, "text"),
                        primary ? NULL : &loss, disks);
    json_object_put(answer);
    return code ? code : opened;
}

static enum exit_code give_copies(const struct invocation *invocation,
                                  const struct replica *replica, struct json_object *point)
{
    const char *word = invocation->option[OPTION_POINT];
    struct loss loss = replica_loss(replica->status, word, point);
    struct json_object *disks = enough(json_object_new_array());
    struct json_object *one = json_object_array_get_idx(member_of(replica->status, "disks"), 0);
    cleanup_text struct weir_text more = { 0 };
    cleanup_text struct weir_text text = { 0 };

    weir_print(&more, "@%s+test", word ? word : "latest");
    weir_print(&text, "nothing was changed; who opens these gets the disks as of LSN %" PRIu64,
               loss.lsn);
    if (*loss.time)
        weir_print(&text, " of %s", loss.time);
    weir_print(&text,
               ", and what is written to them goes when they are closed (weirctl export close "
               "%s%s):",
               text_of(replica_head(replica, text_of(one, "name")), "name"), text_string(&more));
    collect_disks(invocation, replica, text_string(&more), false, disks);
    return print_result(invocation, replica, "test", text_string(&text),
                        invocation->option[OPTION_JSON] ? &loss : NULL, disks);
}

/* Whether there is such a point only the vault knows; asked for a failover, it says that and does
 * nothing.  A primary has other reasons to refuse: whoever opens the copy learns it then. */
static enum exit_code test(const struct invocation *invocation, const struct replica *replica,
                           struct json_object *point)
{
    struct json_object *answer = NULL;
    enum exit_code code = is_primary(replica) ? DONE : promote(invocation, replica, true, &answer);

    json_object_put(answer);
    return code ? code : give_copies(invocation, replica, point);
}

static enum exit_code at_target(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *points = NULL, *point = NULL;
    enum exit_code code = replica_target(invocation, &replica);

    if (!code)
        code = find_point(invocation, &replica, &points, &point);
    if (!code && invocation->option[OPTION_TEST])
        code = test(invocation, &replica, point);
    else if (!code)
        code = go_over(invocation, &replica, point);
    json_object_put(points);
    return code;
}

/* ---- at the source -----------------------------------------------------------------------------
 */

static enum exit_code say_plan(const struct invocation *invocation, const struct replica *replica)
{
    struct json_object *status = replica->status, *disks = member_of(status, "disks");
    struct number lag = bytes_number((double)number_of(status, "lag_bytes"));
    cleanup_text struct weir_text text = { 0 };

    weir_print(&text,
               "group \"%s\" is %s: %s and %" PRIu64 " LSNs would be sent first; then its %s",
               text_of(status, "group"), text_of(status, "state"), lag.text,
               number_of(status, "lag_lsn"), items_of(disks) == 1 ? "disk" : "disks");
    for (size_t i = 0; i < items_of(disks); i++)
        weir_print(&text, "%s \"%s\"", i ? "," : "",
                   text_of(json_object_array_get_idx(disks, i), "name"));
    weir_print(&text,
               " would fail all requests here, and %s would take over: nothing would be lost",
               text_of(status, "target"));
    return filtered_finish(invocation, &replica->end, "nothing", text_string(&text));
}

static enum exit_code at_source(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *answer = NULL;
    enum exit_code code = replica_source(invocation, &replica);

    if (!code && replica_is_plain(replica.status))
        code =
            say(invocation, -ENOTSUP,
                "\"%s\" cannot be handed over: %s is a plain disk, which takes over nothing; end "
                "the guest here, wait until weirctl replica status says that nothing is BEHIND "
                "and LACKS nothing, and use the disk there",
                replica.end.export, text_of(replica.status, "target"));
    if (!code && invocation->option[OPTION_DRY_RUN])
        return say_plan(invocation, &replica);
    if (!code)
        code = filtered_verb(invocation, &replica.end, "handing over", "handover", NULL, &answer);
    if (!code)
        code = filtered_finish(invocation, &replica.end, "handover", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}

/* ---- the command -------------------------------------------------------------------------------
 */

/* The options say which way; two that contradict each other are a mistake. */
static enum exit_code judge_options(const struct invocation *invocation)
{
    static const struct {
        enum option one, other;
    } never[] = {
        { OPTION_LATEST, OPTION_POINT },  { OPTION_PLANNED, OPTION_LATEST },
        { OPTION_PLANNED, OPTION_POINT }, { OPTION_PLANNED, OPTION_TEST },
        { OPTION_TEST, OPTION_DRY_RUN },
    };

    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        if (invocation->option[never[i].one] && invocation->option[never[i].other])
            return say_misuse(invocation, "--%s and --%s cannot both be meant",
                              option_rows[never[i].one].name, option_rows[never[i].other].name);
    return DONE;
}

enum exit_code ctl_replica_failover(const struct invocation *invocation)
{
    enum exit_code code = judge_options(invocation);

    if (code)
        return code;
    return invocation->option[OPTION_PLANNED] ? at_source(invocation) : at_target(invocation);
}
