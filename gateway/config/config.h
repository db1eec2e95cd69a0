/* config.h - which exports, datastores and policies do the user's files ask for?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The only folder that includes libconfig.  Files are read, checked as a whole and
 * then applied; nothing is half applied.  User files are never re-serialised. */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include "../export.h"

/* One mistake: where, the offending word, what was expected, the remedy. */
struct mistake {
    char *file;            /* as the user named it */
    unsigned line, column; /* 1-based; 0: the file as a whole */
    char *word;            /* quoted back; "" */
    char *sentence;        /* what is wrong, what was expected, the nearest known name */
    bool at_end;           /* the text just stops: more of it could make it right */
};
struct mistakes {
    struct mistake *list;
    size_t count;
};
void mistakes_finish(struct mistakes *);
/* "FILE:LINE:COLUMN: error: sentence" per mistake. */
void mistakes_print(const struct mistakes *, struct weir_text *);

/* ---- at start-up ------------------------------------------------------------- */

/* Reads FILE and what it includes, and adds its exports to the gateway (not yet open).
 * 0, or -EINVAL with all mistakes.  Called once, before config_open_all(). */
int config_start(const char *file, struct mistakes *);
/* An embedded default: one memory or file export, for `nbdkit weir` without conf=. */
int config_start_text(const char *text, const char *folder, struct mistakes *);
void config_open_all(void); /* opens every export, side by side; returns when each was tried */
void config_stop(void);     /* closes every export, forgets everything */

/* Checks a file (configuration or policy, told apart by its keys) without a gateway. */
int config_check(const char *file, struct mistakes *);
/* The chain that a policy file asks for, without a gateway, in chain order and with no pools. */
int config_policy_plan(const char *file, struct plan *ret, struct mistakes *);

/* ---- while running: one change at a time, the caller may be any thread ------- */

/* Reads all files again: new exports open, gone ones close (-EBUSY with clients), changed
 * policies apply.  All is checked before anything changes. */
int config_reload(struct mistakes *);

struct policy_view {
    char *name, *description, *text; /* text: the file's bytes */
    char *file;
    char **exports; /* that name it; ends with NULL */
};
char **config_policies(void); /* names, sorted, ends with NULL; one free() */
int config_policy(const char *name, struct policy_view *ret); /* -ENOENT */
void policy_view_finish(struct policy_view *);

/* Would this text do as policy NAME?  0 or -EINVAL.  No side effect. */
int config_policy_check(const char *name, const char *text, struct mistakes *);
/* Checks, applies to every export that names the policy (all or none), then makes the
 * file under policies.d what a restart reads.  -EINVAL and others with mistakes. */
int config_policy_set(const char *name, const char *text, struct mistakes *);
int config_policy_remove(const char *name, struct mistakes *); /* -EBUSY: exports name it */
int config_policy_assign(const char *export, const char *policy, struct mistakes *);

/* The effective policy of one export as libconfig text, and an edit of it, kept in
 * overrides.d/EXPORT.conf beside the main file. */
int config_export_policy(const char *export, struct weir_text *);
int config_export_policy_check(const char *export, const char *text, struct mistakes *);
int config_export_policy_set(const char *export, const char *text, struct mistakes *);
const char *config_export_policy_name(const char *export, char buffer[256]);
/* One option of one filter of one export, durable: LIVE ones apply at once, others are
 * refused with -EPERM (edit the policy instead). */
int config_set_option(const char *export, const char *label, const char *option, const char *value,
                      struct weir_text *why);

enum compliance { COMPLIANT, OUT_OF_DATE, NON_COMPLIANT, COMPLIANCE_UNKNOWN };
enum compliance config_compliance(const char *export, struct weir_text *reason);
const char *compliance_name(enum compliance); /* "compliant", "out-of-date" … */

/* A filter of which another version lies in one of the gateway's folders (gateway/package).
 * prepare: would the package ID do, for all that is configured?  Nothing happens.  upgrade: goes
 * over to what is installed; all exports do, or none.  `done`: a line for each export, its name,
 * the version before and now, and how many ns it paused, with tabs between.  release: -EBUSY with
 * the sentence while anything names it; else it is forgotten. */
int config_filter_prepare(const char *filter, const char *id, struct mistakes *,
                          struct weir_text *why);
int config_filter_upgrade(const char *filter, struct weir_text *done, struct mistakes *,
                          struct weir_text *why);
int config_filter_release(const char *filter, bool check_only, struct weir_text *why);
/* What the main file says of signatures, for who has no gateway to ask; *keys: the folder, the
 * caller frees. */
int config_trust(const char *file, bool *required, char **keys, struct mistakes *);

struct datastore_view {
    char *name, *type, *path;
    struct store_space space;
    char **exports;        /* that live there; ends with NULL */
    struct settings *keys; /* that all datastores have: datastore_rows */
};
char **config_datastores(void);
int config_datastore(const char *name, struct datastore_view *ret);
void datastore_view_finish(struct datastore_view *);
/* One LIVE key of a datastore, durable, at once; others are refused with -EPERM (edit the
 * file instead).  `check_only`: would it do? */
int config_set_datastore(const char *name, const char *key, const char *value, bool check_only,
                         struct weir_text *why);

#endif
