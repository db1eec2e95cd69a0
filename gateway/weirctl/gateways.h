/* gateways.h - which running gateway is a command for, and how is it asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_GATEWAYS_H
#define WEIR_GATEWAYS_H

#include "../control/control.h"
#include "weirctl.h"

struct gateway {
    const char *name;
    struct control *control;  /* NULL: nobody serves the socket, or it broke */
    int error;                /* -errno of the last try */
    struct json_object *show; /* its last answer to "show"; NULL */
};

struct gateways {
    char **names; /* one block */
    struct gateway *list;
    size_t count;
};
#define cleanup_gateways __attribute__((cleanup(gateways_close)))

/* Connects to all that have a socket, or to the one of --gateway; the number that serve. */
size_t gateways_connect(const struct invocation *, struct gateways *);
/* The same; none is a failure that has been told. */
enum exit_code gateways_open(const struct invocation *, struct gateways *);
void gateways_close(struct gateways *);

/* The one gateway that a command is for that names none: all but one is ambiguous. */
enum exit_code gateways_only(const struct invocation *, struct gateways *, struct gateway **ret);
/* The gateway that has the export, and its entry in "show"; the entry is borrowed.
 * Says NOT_FOUND with the nearest name, or which gateways have it. */
enum exit_code gateways_find_export(const struct invocation *, struct gateways *, const char *name,
                                    struct gateway **ret, struct json_object **entry);
/* The same for a policy; one that no gateway has yet belongs to the only one. */
enum exit_code gateways_find_policy(const struct invocation *, struct gateways *, const char *name,
                                    bool may_be_new, struct gateway **ret);

/* The same for a datastore: its entry is in gateway->show. */
enum exit_code gateways_find_datastore(const struct invocation *, struct gateways *,
                                       const char *name, struct gateway **ret);

/* Asks for "show" and keeps the answer in gateway->show; export NULL: all.  Says
 * nothing: gateway->error tells. */
int gateway_show(const struct invocation *, struct gateway *, const char *export);
/* Shows all of all; one that does not answer is told as a warning and left without
 * gateway->show.  The worst exit code. */
enum exit_code gateways_show(const struct invocation *, struct gateways *);
/* Says why a gateway did not answer. */
enum exit_code say_silent(const struct invocation *, const struct gateway *);

/* A request: {"op":op,"path":path}, path NULL: none.  Takes part in gateway_ask(). */
struct json_object *request(const char *op, const char *path);
/* The name of an export as one part of a path: a slash in it is %2F. */
void print_part(const char *name, struct weir_text *path);
/* Sends the request, gives it up, waits and says what went wrong.  *answer may be NULL. */
enum exit_code gateway_ask(const struct invocation *, struct gateway *, struct json_object *request,
                           struct json_object **answer);
/* The same with progress, for what may take minutes; `what` is a phrase: "opening vm1". */
enum exit_code gateway_ask_long(const struct invocation *, struct gateway *,
                                struct json_object *request, const char *what,
                                struct json_object **answer);
/* Turns an answer that says no into words; 0 answers are DONE. */
enum exit_code say_answer(const struct invocation *, struct json_object *answer);

/* The same where the user has another name for the file that the gateway calls `known`. */
enum exit_code say_refusal(const struct invocation *, struct json_object *answer, const char *known,
                           const char *file);

/* export-option.c: an option of a filter (an entry of the chain of the export that the
 * command names first), which the user calls `word`; value NULL: printed, else set. */
enum exit_code option_get_or_set(const struct invocation *, struct gateway *,
                                 struct json_object *filter, const char *word, const char *option,
                                 const char *value);

/* The entry of an array of objects whose "name" (or other key) is this; NULL. */
struct json_object *entry_of(struct json_object *array, const char *key, const char *name);

/* entries.c: what the entries of one array of "show" are listed by. */
struct entry_kind {
    const char *array;         /* in "show" */
    const char *key;           /* of the list with --json */
    const char *const *titles; /* the first is GATEWAY, which a single gateway leaves out */
    void (*row)(struct table *, struct json_object *document, bool many);
    /* with --json; NULL: this entry is not listed */
    struct json_object *(*document)(const struct invocation *, struct gateway *,
                                    struct json_object *entry);
};
enum exit_code list_entries(const struct invocation *, const struct entry_kind *);
/* {"gateway": name} and all that the entry has. */
struct json_object *entry_document(const struct invocation *, struct gateway *,
                                   struct json_object *entry);
void print_words(struct json_object *words, struct weir_text *); /* "vm1, vm2" */

#endif
