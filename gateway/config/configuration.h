/* configuration.h - what do all files together ask for?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A configuration is made from sources and never changes: an edit makes another one,
 * which is compared with the present one (change.c). */
#ifndef WEIR_CONFIG_CONFIGURATION_H
#define WEIR_CONFIG_CONFIGURATION_H

#include "keys.h"

#include "trust.h"

enum strictness {
    STRICT,       /* a filter that cannot be loaded is a mistake */
    MISSING_LOCKS /* … stands in the plan as one that locks the export */
};

struct datastore_entry {
    const char *name; /* in the source, as all strings of these structs that are const */
    const struct store_type *type;
    struct settings *options;     /* of its store type */
    struct settings *said, *keys; /* that all datastores have: as the main file says it, and with
                                     what was set while it ran on top */
    struct source *source, *override; /* override may be NULL */
    const struct config_setting_t *group;
    struct datastore *object; /* a reference, once the configuration runs (change.c) */
};

struct pool_entry {
    const char *name;
    char *path; /* absolute */
    uint64_t size;
    struct source *source;
    const struct config_setting_t *group;
};

/* The filters of a policy, or of an export's own text. */
struct policy_filter {
    struct library *library;
    struct settings *settings;
    char *label;
    const struct config_setting_t *group;
};
struct policy {
    const char *name, *description;
    struct source *source;
    bool plaintext_filters;
    uint64_t hold_limit; /* ns */
    int on_filter_failure;
    bool flawed; /* it has mistakes: what builds on it is not worth judging */
    size_t count;
    struct policy_filter filter[CHAIN_MAX];
};

struct export_entry {
    const char *name, *description, *datastore, *image, *policy; /* "" where not said */
    uint64_t size;
    bool read_only;
    char **allow;                                   /* ends with NULL; NULL: everybody */
    const struct config_setting_t *group, *options; /* options may be NULL */
    struct source *source, *override;               /* override may be NULL */
    struct plan plan;                               /* what it should run with; sorted */
};

/* Where the main file is, and what lies beside it. */
struct layout {
    char *file;               /* as the user named it; "" for the built-in text */
    char *name, *path;        /* of its folder: for messages, and absolute */
    char *exports, *policies; /* the include folders, absolute; NULL: not asked for */
    char *policies_name;      /* for messages */
};

struct configuration {
    _Atomic unsigned references;
    struct layout layout;
    struct source **sources;
    size_t source_count;
    struct datastore_entry *datastores;
    struct policy *policies;
    struct export_entry *exports;
    struct pool_entry *pool_entries;
    size_t datastore_count, policy_count, export_count, pool_count;
    struct pools *pools; /* the same, for plans */
    struct trust trust;  /* which filters may be loaded */
    /* while it is made */
    enum strictness strictness;
    const struct configuration *before;
};

/* ---- reading ----------------------------------------------------------------- */

/* Keeps a reference of each source; the main one is among them, or none for a check of
 * other files alone.  Whatever the strictness, what is in the sources of `before` (may be
 * NULL) was accepted once: a filter that is missing there must not block other changes. */
int configuration_make(struct source *const *sources, size_t count, const struct layout *,
                       enum strictness, const struct configuration *before,
                       struct configuration **ret, struct report *);
struct configuration *configuration_ref(struct configuration *);
void configuration_unref(struct configuration *); /* NULL is fine */

/* The main file and all that it includes.  Sources that could be parsed are given even
 * when others could not, so that their mistakes are found, too. */
struct source_list {
    struct source **list;
    size_t count;
};
int sources_load(const char *file, struct layout *, struct source_list *, struct report *);
int sources_reload(const struct layout *before, struct layout *, struct source_list *,
                   struct report *);
int sources_load_text(const char *text, const char *folder, struct layout *, struct source_list *,
                      struct report *);
int source_list_add(struct source_list *, struct source *); /* takes it over */
void source_list_finish(struct source_list *);
int layout_copy(const struct layout *, struct layout *ret);
void layout_finish(struct layout *);
char *path_join(const char *folder, const char *name); /* malloc'ed */
/* The file, in the layout's folder by path or name, of what was set for a datastore. */
#define DATASTORE_FOLDER "overrides.d/datastores"
char *datastore_file(const char *folder, const char *datastore); /* malloc'ed */
/* The file of an export's own edits, and its name for messages; malloc'ed. */
char *override_path(const struct layout *, const char *export);
char *override_name(const struct layout *, const char *export);

/* ---- the parts --------------------------------------------------------------- */

void datastores_read(struct configuration *, const struct reader *,
                     const struct config_setting_t *list);
void pools_read(struct configuration *, const struct reader *, const struct config_setting_t *list);
void pool_entry_finish(struct pool_entry *);
/* Reports a word that should be the name of one of them. */
void pool_name_check(const struct reader *, const struct config_setting_t *, const char *label,
                     const char *word);
void exports_read(struct configuration *, const struct reader *,
                  const struct config_setting_t *list);
void export_read(struct configuration *, const struct reader *,
                 const struct config_setting_t *group);

/* Before all others: require_signed and trusted_keys decide which filters the rest may name. */
void trusted_read(struct configuration *, const struct reader *);

/* Puts what was set while it ran on top. */
void datastore_override(struct datastore_entry *, const struct configuration *, struct report *);
void datastore_entry_finish(struct datastore_entry *);
void export_entry_finish(struct export_entry *);
/* `base` gives the values that an edited text shows as "(secret)"; may be NULL. */
void policy_parse(struct policy *, const struct reader *, enum strictness, const struct plan *base);
void policy_finish(struct policy *);
/* Reports filters of it that are not to be in one chain, as a package of one of them says. */
void conflicts_check(const struct policy *, const struct reader *);
/* Sets the options of one group, all keys but `filter` and `label`. */
void options_read(const struct reader *, const struct config_setting_t *group, const char *label,
                  const struct weir_option *rows, struct settings *, const struct settings *base);
/* The plan of each export; unknown names are reported. */
void plans_make(struct configuration *, struct report *);
enum strictness strictness_for(const struct configuration *, const struct source *);
int plan_copy(const struct plan *, struct plan *ret);
bool plan_equal(const struct plan *, const struct plan *);
/* The group of a filter in a list of groups, by label, or by name where it has none;
 * NULL: there is none, or no list. */
const struct config_setting_t *group_of_filter(const struct config_setting_t *list,
                                               const struct plan_filter *);
/* Is there a filter in it that could not be loaded? */
bool plan_is_lame(const struct plan *);
/* A library whose attach() refuses with what its option "reason" says. */
struct library *standin_get(const char *name);
bool standin_is(const struct library *);

const struct datastore_entry *datastore_entry_find(const struct configuration *, const char *name);
const struct policy *policy_find(const struct configuration *, const char *name);
const struct export_entry *export_entry_find(const struct configuration *, const char *name);

#define POLICY_HOLD_LIMIT 30000000000u /* ns, where a policy says nothing */
bool source_is_main(const struct source *);
extern const char *const policy_keys[], *const failure_words[];
/* Does the text have a key of a policy's (an override may have `options` alone)? */
bool source_is_policy(const struct source *);

#endif
