/* filtered.h - how is the filter of one class, or the store, of one export asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_FILTERED_H
#define WEIR_WEIRCTL_FILTERED_H

#include "gateways.h"

struct filtered {
    struct gateways all;
    struct gateway *gateway;
    const char *export;         /* its name */
    struct json_object *filter; /* of the class; borrowed; NULL: the store is asked */
};
#define cleanup_filtered __attribute__((cleanup(filtered_close)))

/* The export that the command names first.  `example`: what in a policy would give it the filter.
 */
enum exit_code filtered_open(const struct invocation *, struct filtered *, const char *class,
                             const char *example);
void filtered_close(struct filtered *);

/* The filter of this class of an export of "show"; NULL: it has none. */
struct json_object *filter_of(struct json_object *entry, const char *class);
/* What `describe` says of an entry of "show" that has such a filter; NULL: it has none. */
struct json_object *filtered_entry(const struct invocation *, struct gateway *,
                                   struct json_object *entry, const char *class,
                                   struct json_object *(*describe)(const struct invocation *,
                                                                   const struct filtered *));
/* Of what lies under the filter, or the store: "ctl", "stats/state". */
void filtered_path(const struct filtered *, const char *rest, struct weir_text *);
/* Runs a verb of the filter; argument NULL: none.  `doing` is how progress calls it. */
enum exit_code filtered_verb(const struct invocation *, const struct filtered *, const char *doing,
                             const char *verb, const char *argument, struct json_object **answer);
/* A statistic, or what a verb without argument answers; nothing is said.  0; -errno with the
 * refusal; or -errno and "": the gateway did not answer, see say_silent().  Of a statistic the
 * first line, or all of them.  The caller frees *text. */
int filtered_statistic(const struct invocation *, const struct filtered *, const char *name,
                       char **text);
int filtered_lines(const struct invocation *, const struct filtered *, const char *name,
                   char **text);
/* The text of a statistic, under its name; nothing where there is none: what is text is not in
 * "show", and a disk that is closed says nothing. */
void filtered_add(const struct invocation *, const struct filtered *, const char *name,
                  struct json_object *to);
int filtered_ask(const struct invocation *, const struct filtered *, const char *verb, char **text);
/* Opens the disk, runs the verb that the command is called by, with its second word, says what was
 * done. */
enum exit_code filtered_run(const struct invocation *,
                            enum exit_code (*open)(const struct invocation *, struct filtered *),
                            const char *doing);
/* Says what was done. */
enum exit_code filtered_finish(const struct invocation *, const struct filtered *, const char *done,
                               const char *text);

#endif
