/* replica.c - where on this host is the end of a replicated disk, and how is it told what to do?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source is a filter of class replication, and has the name of its export.  A target is the
 * store of an export "log:GROUP" on a datastore of type vault.  People call it by the name of
 * the group or of a disk, which only its status knows: so all logs are asked. */
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char class[] = "replication", log_prefix[] = "log:";

void replica_close(struct replica *replica)
{
    json_object_put(replica->status);
    filtered_close(&replica->end);
}

bool replica_is_log(struct json_object *entry)
{
    return strncmp(text_of(entry, "image"), log_prefix, strlen(log_prefix)) == 0;
}

bool replica_has(struct json_object *status, const char *name)
{
    return strcmp(text_of(status, "group"), name) == 0 ||
           entry_of(member_of(status, "disks"), "name", name);
}

bool replica_is_plain(struct json_object *status)
{
    return strcmp(text_of(status, "target_type"), "plain") == 0;
}

/* ---- status ------------------------------------------------------------------------ */

int replica_ask(const struct invocation *invocation, const struct filtered *end,
                struct json_object **status, char **why)
{
    char *text = NULL;
    int error = filtered_ask(invocation, end, "status", &text);

    *status = error ? NULL : json_tokener_parse(text);
    if (!error && !json_object_is_type(*status, json_type_object)) {
        json_object_put(*status);
        *status = NULL;
        free(text);
        text = enough(strdup("its status cannot be read: the gateway is of another version"));
        error = -EPROTO;
    }
    *why = text;
    return error;
}

int replica_look(const struct invocation *invocation, struct replica *replica, char **why)
{
    struct json_object *status = NULL;
    int error = replica_ask(invocation, &replica->end, &status, why);

    if (!error) {
        json_object_put(replica->status);
        replica->status = status;
    }
    return error;
}

static enum exit_code ask_or_say(const struct invocation *invocation, struct replica *replica)
{
    cleanup_free char *why = NULL;
    int error = replica_look(invocation, replica, &why);

    if (!error)
        return DONE;
    if (!*why)
        return say_silent(invocation, replica->end.gateway);
    return say(invocation, error, "%s: %s", replica->end.export, why);
}

static enum exit_code source_open(const struct invocation *invocation, struct filtered *end)
{
    return filtered_open(invocation, end, class, "{ filter = \"replication\"; target = \"…\"; }");
}

enum exit_code replica_source(const struct invocation *invocation, struct replica *replica)
{
    enum exit_code code = source_open(invocation, &replica->end);

    return code ? code : ask_or_say(invocation, replica);
}

/* ---- which log ---------------------------------------------------------------------- */

struct search {
    const char *name;
    struct gateway *gateway; /* the best that was found */
    const char *export;
    struct json_object *status;
    bool by_disk;               /* and not by the name of the group: that would be better */
    size_t equals;              /* logs that are as good */
    struct json_object *source; /* an export of that name which is sent from here */
    const char **known;         /* groups, and logs that did not answer */
    size_t count;
    char *silent; /* what one of them said instead of a status */
};

static void take(struct search *search, struct gateway *gateway, const char *export,
                 struct json_object *status, bool by_disk)
{
    if (search->equals && by_disk == search->by_disk)
        search->equals++;
    if (search->equals && (by_disk || !search->by_disk))
        return;
    json_object_put(search->status);
    search->status = json_object_get(status);
    search->gateway = gateway;
    search->export = export;
    search->by_disk = by_disk;
    search->equals = 1;
}

static void look_at(const struct invocation *invocation, struct search *search,
                    struct gateway *gateway, struct json_object *entry)
{
    const struct filtered end = { .gateway = gateway, .export = text_of(entry, "name") };
    struct json_object *status = NULL;
    cleanup_free char *why = NULL;

    if (!replica_is_log(entry)) {
        if (strcmp(end.export, search->name) == 0 && filter_of(entry, class))
            search->source = entry;
        return;
    }
    const char *group = text_of(entry, "image") + strlen(log_prefix);
    search->known[search->count++] = group;
    int error = replica_ask(invocation, &end, &status, &why);
    bool named = strcmp(search->name, end.export) == 0 || strcmp(search->name, group) == 0;
    if (error && named && !search->silent)
        search->silent = steal(why);
    if (!error && (named || replica_has(status, search->name)))
        take(search, gateway, end.export, status, !named);
    json_object_put(status);
}

static void search_all(const struct invocation *invocation, const struct gateways *all,
                       struct search *search)
{
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *entries = member_of(all->list[i].show, "exports");
        search->known = enough(reallocarray(search->known, search->count + items_of(entries) + 1,
                                            sizeof(*search->known)));
        for (size_t n = 0; n < items_of(entries); n++)
            look_at(invocation, search, &all->list[i], json_object_array_get_idx(entries, n));
        search->known[search->count] = NULL;
    }
}

static enum exit_code say_missing(const struct invocation *invocation, const struct search *search)
{
    cleanup_text struct weir_text near = { 0 };
    const char *name = search->name;

    if (search->silent && *search->silent)
        return say(invocation, -EIO, "the vault of \"%s\" does not tell its status: %s", name,
                   search->silent);
    if (search->source) {
        struct json_object *filter = filter_of(search->source, class);
        return say(invocation, -ENOENT,
                   "\"%s\" is sent from here, and \"%s %s\" is for where it arrives: run it at its "
                   "target, %s",
                   name, invocation->command->noun, invocation->command->verb,
                   text_of(member_of(filter, "options"), "target"));
    }
    if (!search->count)
        return say(invocation, -ENOENT,
                   "nothing arrives here: an export with the image \"log:GROUP\" on a datastore of "
                   "type vault is what a source sends to, see weir-failover(7)");
    print_nearest(&near, name, search->known);
    return say(invocation, -ENOENT,
               "no group and no disk \"%s\" arrives here%s; weirctl replica status shows what does",
               name, text_string(&near));
}

static enum exit_code judge(const struct invocation *invocation, const struct search *search)
{
    if (!search->equals)
        return say_missing(invocation, search);
    if (search->equals > 1)
        return say_misuse(invocation,
                          "%u groups have \"%s\": say --gateway=NAME, or the name of the group",
                          (unsigned)search->equals, search->name);
    return DONE;
}

/* `source` not NULL: one that is only sent from here will do. */
static enum exit_code find(const struct invocation *invocation, struct replica *replica,
                           bool *source)
{
    struct search search = { .name = invocation->words[0] };
    enum exit_code code = gateways_open(invocation, &replica->end.all);

    if (code)
        return code;
    enum exit_code shown = gateways_show(invocation, &replica->end.all);
    search_all(invocation, &replica->end.all, &search);
    const bool sent = source && !search.equals && search.source && !search.silent;
    code = sent ? DONE : !search.equals && shown ? shown : judge(invocation, &search);
    if (sent) {
        *source = true;
    } else if (!code) {
        replica->end.gateway = search.gateway;
        replica->end.export = search.export;
        replica->status = steal(search.status);
    }
    json_object_put(search.status);
    free(search.known);
    free(search.silent);
    return code;
}

enum exit_code replica_target(const struct invocation *invocation, struct replica *replica)
{
    return find(invocation, replica, NULL);
}

enum exit_code replica_either(const struct invocation *invocation, struct replica *replica,
                              bool *source)
{
    *source = false;
    enum exit_code code = find(invocation, replica, source);
    if (code || !*source)
        return code;
    replica_close(replica);
    *replica = (struct replica){ 0 };
    return replica_source(invocation, replica);
}

/* ---- the exports of its heads -------------------------------------------------------- */

struct json_object *replica_head(const struct replica *replica, const char *disk)
{
    struct json_object *exports = member_of(replica->end.gateway->show, "exports");
    struct json_object *log = entry_of(exports, "name", replica->end.export);
    const char *group = text_of(replica->status, "group");
    bool only = items_of(member_of(replica->status, "disks")) == 1;
    cleanup_text struct weir_text image = { 0 };

    weir_print(&image, "%s/%s", group, disk);
    for (size_t i = 0; i < items_of(exports); i++) {
        struct json_object *entry = json_object_array_get_idx(exports, i);
        const char *has = text_of(entry, "image");
        if (strcmp(text_of(entry, "datastore"), text_of(log, "datastore")) == 0 &&
            (strcmp(has, text_string(&image)) == 0 || (only && strcmp(has, group) == 0)))
            return entry;
    }
    return NULL;
}

enum exit_code replica_head_do(const struct invocation *invocation, const struct replica *replica,
                               const char *verb, const char *export)
{
    struct json_object *ask = request("do", NULL);
    cleanup_text struct weir_text what = { 0 };

    add_text(ask, "verb", verb);
    add_text(ask, "export", export);
    weir_print(&what, "%s of %s", verb, export);
    return gateway_ask_long(invocation, replica->end.gateway, ask, text_string(&what), NULL);
}

/* ---- verbs that need no more than to be passed on -------------------------------------- */

enum exit_code ctl_replica_mark(const struct invocation *invocation)
{
    return filtered_run(invocation, source_open, "marking");
}

enum exit_code ctl_replica_do(const struct invocation *invocation)
{
    return filtered_run(invocation, source_open, "telling");
}

enum exit_code ctl_replica_accept(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *answer = NULL;
    enum exit_code code = replica_target(invocation, &replica);

    if (!code)
        code = filtered_verb(invocation, &replica.end, "telling", "accept", NULL, &answer);
    if (!code)
        code = filtered_finish(invocation, &replica.end, "accept", text_of(answer, "text"));
    json_object_put(answer);
    return code;
}
