/* gateway.h - what does one weir process consist of?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_GATEWAY_H
#define WEIR_GATEWAY_H

#include "export.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "0.1.0" /* meson says it */
#endif

/* Where this gateway lives; set once, before the first export, then read-only. */
struct places {
    char *name;    /* of the gateway, "main" */
    char *run;     /* RUN: sockets: RUN/ctl/NAME.sock */
    char *state;   /* STATE: what filters and the gateway must not forget */
    char *filters; /* FOLDER[:FOLDER…] */
};
int places_init(const char *name, const char *run, const char *state, const char *filters);
/* The same, where NULL stands for the default; makes the folders. */
int places_open(const char *name, const char *run, const char *state, const char *filters);
bool gateway_name_is_plain(const char *name); /* so is NULL, the default */
const struct places *places(void);
void places_finish(void);
uint64_t gateway_uptime_s(void);

/* What the programs take where they are not told: WEIR_RUN, WEIR_STATE, WEIR_FILTERS, else
 * /run/weir, /var/lib/weir and the installed filters (for an ordinary user below
 * XDG_RUNTIME_DIR and XDG_STATE_HOME).  The caller frees; NULL: no memory. */
char *default_run(void);
char *default_state(void);
char *default_filters(void);

/* The list of exports.  Each found or listed one is a reference for the caller. */
int gateway_add(struct export *);     /* -EEXIST: the name is taken */
int gateway_remove(const char *name); /* drops the list's reference; -ENOENT */
struct export *gateway_find(const char *name);
/* All, in name order, ends with NULL; gateway_put_list() gives them back. */
struct export **gateway_list(void);
void gateway_put_list(struct export **);

/* Durable small files: write, fsync, rename over, fsync the folder.  0 or -errno. */
int save_file_at(int folder, const char *name, const void *data, size_t size, unsigned mode);
/* The same for a file that is there: it has exactly that mode, whatever the umask is. */
int replace_file_at(int folder, const char *name, const void *data, size_t size, unsigned mode);
int load_file_at(int folder, const char *name, void **data, size_t *size);
int remove_file_at(int folder, const char *name); /* and makes that durable */
/* An export's name as the name of a file or folder: "/" is %2F, "%" is %25 and a
 * leading "." is %2E.  The caller frees; NULL: no memory. */
char *export_file_name(const char *export);
/* mkdir -p, and what it makes is there after a crash; existing is fine.  0 or -errno. */
int make_folders(const char *path, unsigned mode);

#endif
