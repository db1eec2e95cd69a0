/* tree.h - how does a path of the mount become a function to call?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * tree.c has one table with a row for each kind of node.  A path is walked from the
 * root; where the pattern says `*` the row's enter() finds the thing that has this name
 * and leaves it in the place for the rows below. */
#ifndef WEIR_CONTROL_TREE_H
#define WEIR_CONTROL_TREE_H

#include "../export.h"
#include "answer.h"

enum { PATH_PARTS = 8 };

enum node_kind { NODE_FILE, NODE_FOLDER };

struct row;

/* A node that a path led to, and what it passed on its way. */
struct place {
    const struct caller *caller;
    const struct row *row;
    bool creating; /* the last part may be a name that does not exist yet */
    size_t parts;
    char *part[PATH_PARTS]; /* decoded */

    struct export *export;
    bool viewed; /* `view` is filled */
    struct export_view view;
    enum export_place figures; /* of whom */
    size_t filter;             /* index in `view` */
    enum weir_op op;
    const struct weir_option *option;
    const struct weir_stat *stat;
    struct library *library;
    struct datastore_view datastore;
};

struct change {
    const char *text;
    size_t size;
    bool check_only;
    bool keep; /* of a check: a refusal that is final is kept as one of set is */
};

struct names {
    struct name {
        char *name; /* as it stands in a path */
        enum node_kind kind;
        bool writable;
    } * list;
    size_t count;
};
int names_add(struct names *, const char *name, enum node_kind, bool writable);
void names_finish(struct names *);

struct row {
    const char *pattern;
    enum node_kind kind;
    /* all return 0 or -errno; NULL: cannot be done */
    int (*enter)(struct place *, const char *name);  /* `*`: -ENOENT when nothing has it */
    int (*names)(struct place *, struct names *);    /* `*`: the names there are */
    int (*read)(struct place *, struct weir_text *); /* without the last \n is fine */
    int (*write)(struct place *, const struct change *, struct weir_text *answer, struct refusal *);
    int (*remove)(struct place *, struct refusal *);
    bool grows; /* FOLDER: set of a new name makes a new file */
};

/* Finds the node of `path`.  -ENOENT with a sentence.  place_finish() it whatever comes back. */
int place_find(struct place *, const char *path, struct refusal *);
void place_finish(struct place *);
#define cleanup_place __attribute__((cleanup(place_finish)))

int tree_list(struct place *, struct names *, struct refusal *);
int tree_read(struct place *, struct weir_text *, struct refusal *);
int tree_write(struct place *, const struct change *, struct weir_text *answer, struct refusal *);
int tree_remove(struct place *, struct refusal *);

/* A name as a part of a path, "a/b" as "a%2Fb", and back: -ENOENT for other spellings. */
void path_encode(const char *name, struct weir_text *);
int path_decode(const char *part, size_t size, char **name);
/* "10-pass" */
void filter_place_name(const struct export_view *, size_t index, struct weir_text *);

/* The text of a change as one word or line: no \n at its end, none inside. */
int change_line(const struct change *, char **line, struct refusal *);
/* Keeps what was refused as last_error of the export, or forgets it after a success;
 * says in the events who did what.  Returns `error`. */
int change_done(const struct place *, int error, const struct refusal *, const char *format, ...)
    WEIR_PRINTF(4, 5);

/* What the stores of a datastore's exports took for a read or write on average since the
 * start, and what they work on now. */
void datastore_load(const char *name, uint64_t *latency_ns, uint64_t *in_flight);
const struct filter_view *place_filter(struct place *); /* after its enter() */

/* ---- the functions that the table names -------------------------------------- */

/* clang-format off */
#define ENTER(f)  int f(struct place *, const char *name)
#define NAMES(f)  int f(struct place *, struct names *)
#define READ(f)   int f(struct place *, struct weir_text *)
#define WRITE(f)  int f(struct place *, const struct change *, struct weir_text *answer, \
                        struct refusal *)
#define REMOVE(f) int f(struct place *, struct refusal *)

/* tree-host.c */
READ(metrics_read); READ(events_read_kept);
ENTER(gateway_enter); NAMES(gateway_names);
READ(gateway_pid); READ(gateway_version); READ(gateway_uptime);
ENTER(datastore_enter); NAMES(datastore_names);
READ(datastore_type); READ(datastore_path); READ(datastore_size); READ(datastore_free);
READ(datastore_exports); READ(datastore_latency); READ(datastore_in_flight);
READ(datastore_threshold); WRITE(datastore_set_threshold);
READ(datastore_exchange); READ(datastore_emulate);
/* tree-policies.c */
ENTER(policy_enter); NAMES(policy_names); READ(policy_read); WRITE(policy_write);
REMOVE(policy_remove);
READ(export_policy_name); WRITE(export_policy_assign);
READ(export_policy_text); WRITE(export_policy_edit);
READ(export_compliance); READ(export_compliance_reason);
/* tree-library.c */
ENTER(library_enter); NAMES(library_names);
READ(library_class); READ(library_version); READ(library_abi); READ(library_path);
READ(library_description); READ(library_options); READ(library_statistics);
READ(library_exports);
/* The tables of a filter or store as people read them. */
void options_print(const struct weir_filter *, struct weir_text *);
void statistics_print(const struct weir_stat *, struct weir_text *);
void verbs_print(const struct weir_verb *, struct weir_text *);
void tables_print(const struct weir_stat *, const struct weir_verb *, struct weir_text *);
/* A table of statistics as a folder. */
int enter_stat(struct place *, const struct weir_stat *, const char *name);
int name_stats(const struct weir_stat *, struct names *);
/* tree-exports.c */
ENTER(export_enter); NAMES(export_names);
READ(export_size); READ(export_state_word); READ(export_reason); READ(export_datastore);
READ(export_uri); READ(export_connections); READ(export_read_only); READ(export_generation);
READ(export_last_error); READ(export_hold_limit); READ(export_chain); READ(export_description);
READ(export_in_flight); READ(export_waiting); READ(export_last_pause); READ(export_longest_pause);
ENTER(op_enter); NAMES(op_names);
ENTER(store_op_enter);
READ(op_requests); READ(op_bytes); READ(op_errors); READ(op_latency);
/* tree-filters.c */
ENTER(filter_enter); NAMES(filter_names);
READ(filter_name); READ(filter_version); READ(filter_held); READ(filter_state);
READ(filter_help);
ENTER(option_enter); NAMES(option_names); READ(option_read); WRITE(option_write);
ENTER(stat_enter); NAMES(stat_names); READ(stat_read);
READ(filter_oldest_hold); READ(filter_longest_hold);
ENTER(filter_op_enter);
READ(op_passed); READ(op_completed); READ(op_deferred); READ(op_derived); READ(op_derived_bytes);
READ(op_below);
/* tree-verbs.c: verbs of a filter, and of a store */
READ(filter_ctl_read); WRITE(filter_ctl_write);
READ(store_ctl_read); WRITE(store_ctl_write);
/* tree-stores.c */
ENTER(store_stat_enter); NAMES(store_stat_names); READ(store_stat_read);
READ(store_help);

#undef ENTER
#undef NAMES
#undef READ
#undef WRITE
#undef REMOVE
/* clang-format on */

#endif
