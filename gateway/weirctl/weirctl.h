/* weirctl.h - what does one invocation of weirctl consist of?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * commands.c holds the table of commands; one file per noun holds what they do.  A command
 * returns an exit code, everything else 0 or -errno. */
#ifndef WEIR_WEIRCTL_H
#define WEIR_WEIRCTL_H

#include <json.h>
#include <stdio.h>

#include "../scope.h"
#include "../text.h"

enum exit_code { DONE, FAILED, MISUSED, NOT_FOUND, REJECTED, TIMED_OUT };

enum option {
    OPTION_RUN, /* these are for every command … */
    OPTION_GATEWAY,
    OPTION_JSON,
    OPTION_TIMEOUT,
    OPTION_HELP,
    OPTION_FILTERS, /* … and these for those that name them */
    OPTION_FROM,
    OPTION_POD,
    OPTION_INTERVAL,
    OPTION_BATCH,
    OPTION_SORT,
    OPTION_FOLLOW,
    OPTION_SINCE,
    OPTION_DEEP,
    OPTION_NO_WAIT,
    OPTION_UNTIL,
    OPTION_LATEST,
    OPTION_POINT,
    OPTION_TEST,
    OPTION_PLANNED,
    OPTION_DRY_RUN,
    OPTION_DISCARD,
    OPTION_ALL,
    OPTION_CHECKPOINT,
    OPTION_QCOW2,
    OPTION_CONF,
    OPTION_VENDOR,
    OPTION_KEY,
    OPTION_REQUIRES,
    OPTION_CONFLICTS,
    OPTION_CONNECTIONS,
    OPTION_DEAD_TIMEOUT,
    OPTION_FOREGROUND,
    OPTION_FORCE,
    OPTION_COUNT
};
#define TAKES(option) (UINT64_C(1) << (option))

struct option_row {
    const char *name, *argument; /* argument NULL: a flag */
    const char *sentence;
};
extern const struct option_row option_rows[OPTION_COUNT];

struct invocation;

/* `arguments` is what the help shows and what the loop counts: WORD must be there,
 * [WORD] may, and an ellipsis lets the last one repeat. */
struct command {
    const char *noun, *verb; /* verb "": the noun stands alone */
    enum exit_code (*run)(const struct invocation *);
    const char *arguments;
    uint64_t options;
    const char *sentence;
};
extern const struct command commands[]; /* ends with a NULL noun */
enum { COMMANDS_MOST = 128 };           /* and has fewer rows than this */

struct invocation {
    const struct command *command;
    const char *option[OPTION_COUNT]; /* as given; a flag is ""; NULL: not given */
    int count;
    char **words; /* the arguments of the command; ends with NULL */
};

const char *run_folder(const struct invocation *);
int timeout_ms(const struct invocation *, int unless_given);
void wait_seconds(double);
double now_seconds(void); /* CLOCK_MONOTONIC */
/* A number of at least `min`; says what is wrong and returns MISUSED. */
enum exit_code option_seconds(const struct invocation *, enum option, double min, double *seconds);
enum exit_code option_count(const struct invocation *, enum option, uint64_t min, uint64_t *count);

/* ---- say.c: what people and programs are told when it did not work ----------- */

struct problem {
    int error; /* -errno */
    const char *message;
    const char *file;      /* NULL: not about a place in a file */
    unsigned line, column; /* 0: unknown */
};

/* Tells them (stderr, or one document on stdout with --json, with the first in front) and
 * returns the exit code that -errno of the first stands for. */
enum exit_code say_problems(const struct invocation *, const struct problem *, size_t count);
enum exit_code say(const struct invocation *, int error, const char *format, ...) WEIR_PRINTF(3, 4);
/* The command line was wrong: exit code 2. */
enum exit_code say_misuse(const struct invocation *, const char *format, ...) WEIR_PRINTF(2, 3);
enum exit_code exit_code_of(int error);
/* ", did you mean 'word'?" or "". */
void print_nearest(struct weir_text *, const char *word, const char *const *words);
/* What it printed is now the end of the output: checked, so that a full disk is seen. */
enum exit_code finish_output(const struct invocation *);

/* ---- document.c: JSON in and out --------------------------------------------- */

const char *text_of(struct json_object *, const char *key); /* never NULL */
uint64_t number_of(struct json_object *, const char *key);
bool flag_of(struct json_object *, const char *key);
struct json_object *member_of(struct json_object *, const char *key); /* borrowed; or NULL */
size_t items_of(struct json_object *array); /* 0 for NULL and for what is no array */

/* weirctl holds nothing that must be put in order: no memory says so and exits. */
void *enough(void *memory);
struct json_object *document(void); /* an empty object */
void add_text(struct json_object *, const char *key, const char *text);
void add_number(struct json_object *, const char *key, uint64_t number);
void add_real(struct json_object *, const char *key, double number);
void add_flag(struct json_object *, const char *key, bool flag);
void add_item(struct json_object *, const char *key, struct json_object *item); /* takes it over */
/* Adds a copy of what `from` has under this key, if it has. */
void add_copy(struct json_object *, const char *key, struct json_object *from);
/* Prints it, gives it up and returns finish_output(). */
enum exit_code print_document(const struct invocation *, struct json_object *);

/* ---- table.c: columns for people --------------------------------------------- */

enum { TABLE_COLUMNS = 16 };
/* Of a cell that has nothing to say. */
static inline const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

struct table {
    char **cells; /* row by row, the titles first */
    size_t count, capacity, columns;
    bool right[TABLE_COLUMNS];
};
/* Titles; one that begins with '>' is a column of numbers, set to the right. */
void table_begin(struct table *, const char *const *titles);
void table_add(struct table *, const char *const *cells); /* as many as titles */
void table_print(const struct table *, FILE *);
void table_finish(struct table *);
/* The document with --json, else the table; gives both up. */
enum exit_code print_either(const struct invocation *, struct json_object *, struct table *);
/* The same of {key: list}. */
enum exit_code print_list(const struct invocation *, const char *key, struct json_object *list,
                          struct table *);
int text_width(const char *utf8); /* columns on a terminal */
/* Shortens to `columns`, with an ellipsis, never inside a character. */
void text_fit(const char *utf8, int columns, struct weir_text *);

/* ---- the nouns --------------------------------------------------------------- */

enum exit_code ctl_status(const struct invocation *);
enum exit_code ctl_top(const struct invocation *);
enum exit_code ctl_check(const struct invocation *);
enum exit_code ctl_events(const struct invocation *);
enum exit_code ctl_metrics(const struct invocation *);
enum exit_code ctl_reload(const struct invocation *);
enum exit_code ctl_gateway_list(const struct invocation *);
enum exit_code ctl_version(const struct invocation *);
enum exit_code ctl_help(const struct invocation *);
enum exit_code ctl_export_list(const struct invocation *);
enum exit_code ctl_export_show(const struct invocation *);
enum exit_code ctl_export_stats(const struct invocation *);
enum exit_code ctl_export_uri(const struct invocation *);
enum exit_code ctl_export_do(const struct invocation *); /* open, close, unlock, stun, unstun */
enum exit_code ctl_export_lock(const struct invocation *);
enum exit_code ctl_export_grow(const struct invocation *);
enum exit_code ctl_export_snapshot(const struct invocation *);
enum exit_code ctl_export_option(const struct invocation *);
enum exit_code ctl_export_assign(const struct invocation *);
enum exit_code ctl_policy_list(const struct invocation *);
enum exit_code ctl_policy_show(const struct invocation *);
enum exit_code ctl_policy_check(const struct invocation *);
enum exit_code ctl_policy_edit(const struct invocation *);
enum exit_code ctl_policy_set(const struct invocation *);
enum exit_code ctl_policy_remove(const struct invocation *);
enum exit_code ctl_policy_assign(const struct invocation *);
enum exit_code ctl_datastore_list(const struct invocation *);
enum exit_code ctl_datastore_show(const struct invocation *);
enum exit_code ctl_datastore_set(const struct invocation *);
enum exit_code ctl_control_show(const struct invocation *);
enum exit_code ctl_control_set(const struct invocation *);
enum exit_code ctl_key_status(const struct invocation *);
enum exit_code ctl_key_format(const struct invocation *);
enum exit_code ctl_key_add(const struct invocation *);
enum exit_code ctl_key_remove(const struct invocation *);
enum exit_code ctl_key_rekey(const struct invocation *);
enum exit_code ctl_key_lock(const struct invocation *);
enum exit_code ctl_key_unlock(const struct invocation *);
enum exit_code ctl_cache_status(const struct invocation *);
enum exit_code ctl_cache_flush(const struct invocation *);
enum exit_code ctl_cache_drain(const struct invocation *);
enum exit_code ctl_cache_detach(const struct invocation *);
enum exit_code ctl_cache_fill(const struct invocation *);
enum exit_code ctl_cache_invalidate(const struct invocation *);
enum exit_code ctl_cache_discard(const struct invocation *);
enum exit_code ctl_cache_mrc(const struct invocation *);
enum exit_code ctl_cache_check(const struct invocation *);
enum exit_code ctl_replica_status(const struct invocation *);
enum exit_code ctl_replica_mark(const struct invocation *);
enum exit_code ctl_replica_points(const struct invocation *);
enum exit_code ctl_replica_failover(const struct invocation *);
enum exit_code ctl_replica_failback(const struct invocation *);
enum exit_code ctl_replica_resync(const struct invocation *);
enum exit_code ctl_replica_verify(const struct invocation *);
enum exit_code ctl_replica_do(const struct invocation *); /* detach, attach */
enum exit_code ctl_replica_accept(const struct invocation *);
enum exit_code ctl_changes(const struct invocation *);
enum exit_code ctl_attach(const struct invocation *);
enum exit_code ctl_attached(const struct invocation *);
enum exit_code ctl_detach(const struct invocation *);
enum exit_code ctl_filter_list(const struct invocation *);
enum exit_code ctl_filter_info(const struct invocation *);
enum exit_code ctl_filter_exports(const struct invocation *);
enum exit_code ctl_filter_describe(const struct invocation *);
enum exit_code ctl_filter_pack(const struct invocation *);
enum exit_code ctl_filter_install(const struct invocation *);
enum exit_code ctl_filter_upgrade(const struct invocation *);
enum exit_code ctl_filter_remove(const struct invocation *);
enum exit_code ctl_filter_verify(const struct invocation *);

/* ---- help.c ------------------------------------------------------------------ */

void print_help(FILE *);
void print_command_help(FILE *, const struct command *);

#endif
