/* options.h - how does a word that a user wrote become a field of a struct?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Works on the option tables of filters and stores (weir-filter.h) alike. */
#ifndef WEIR_OPTIONS_H
#define WEIR_OPTIONS_H

#include "weir-filter.h"

/* The config struct of one table with the strings that it points to. */
struct settings;

/* All defaults.  0, -ENOMEM, or -EINVAL when the table itself is wrong (a default out
 * of range, a choice without choices): the sentence names the row. */
int settings_create(const struct weir_option *rows, size_t config_size, struct settings **ret,
                    struct weir_text *why);
int settings_copy(const struct settings *, struct settings **ret);
void settings_destroy(struct settings *); /* NULL is fine */

const void *settings_config(const struct settings *); /* the config struct; stays where it is */

/* -ENOENT: no such option (the sentence names the nearest); -EINVAL, -ERANGE. */
int settings_set(struct settings *, const char *name, const char *value, struct weir_text *why);
/* The first REQUIRED option that was never set, or NULL. */
const struct weir_option *settings_missing(const struct settings *);
bool settings_was_set(const struct settings *, const char *name);
bool settings_equal(const struct settings *, const struct settings *, const char *name);
/* As a user would write it and settings_set() would read it; a SECRET prints "(secret)". */
void settings_print(const struct settings *, const char *name, struct weir_text *);

const struct weir_option *option_find(const struct weir_option *rows, const char *name);
const char *option_type_name(const struct weir_option *); /* "size", "one of a, b, c" … */
/* The default as printed, range and unit in words, for help, man page and errors. */
void option_describe(const struct weir_option *, struct weir_text *);

/* Sizes "20G", times "5ms", rates "10k": 0, -EINVAL or -ERANGE. */
int parse_size(const char *text, uint64_t *bytes);
int parse_time(const char *text, uint64_t *ns);
void print_size(uint64_t bytes, struct weir_text *);
void print_time(uint64_t ns, struct weir_text *);

/* The word of `words` (ends with NULL) nearest to `word`, or NULL when none is near:
 * optimal string alignment distance of at most a third of the length. */
const char *nearest_word(const char *word, const char *const *words);

#endif
