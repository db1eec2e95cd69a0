/* keys.h - is a setting one that belongs here, and of the type that it must have?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONFIG_KEYS_H
#define WEIR_CONFIG_KEYS_H

#include "source.h"

/* A place in the tree that is being read. */
struct configuration;
struct reader {
    struct source *source;
    struct report *report;
    const struct configuration *whole; /* what names are good in; NULL: that is not known */
};

/* Reports each setting of `group` whose name is not among `known` (ends with NULL), and
 * gives false then; `what` is "an export", "a policy" … */
bool keys_check(const struct reader *, const struct config_setting_t *group,
                const char *const *known, const char *what);
const struct config_setting_t *key_find(const struct config_setting_t *group, const char *name);

/* Each gives false where the value is of another type or not good, which is reported.
 * Strings point into the source. */
bool key_string(const struct reader *, const struct config_setting_t *, const char **ret);
bool key_bool(const struct reader *, const struct config_setting_t *, bool *ret);
bool key_size(const struct reader *, const struct config_setting_t *, uint64_t *ret);
bool key_time(const struct reader *, const struct config_setting_t *, uint64_t *ret);
/* The index of the value in `choices`. */
bool key_choice(const struct reader *, const struct config_setting_t *, const char *const *choices,
                int *ret);
bool key_group(const struct reader *, const struct config_setting_t *); /* { … } */
/* A list of groups, ( { … }, { … } ). */
bool key_groups(const struct reader *, const struct config_setting_t *);
/* A scalar as the word that settings_set() reads; malloc'ed. */
bool key_word(const struct reader *, const struct config_setting_t *, const struct weir_option *,
              char **ret);

/* The required string `name` of a group: reported at the group when it is not there. */
bool key_required(const struct reader *, const struct config_setting_t *group, const char *name,
                  const char *what, const char **ret);

enum name_kind {
    NAME_PLAIN,
    NAME_EXPORT
}; /* an export's may have slashes inside, and begin
      with "log:" */
/* NULL, or what is wrong with the name: "…, so X" half a sentence. */
const char *name_fault(const char *name, enum name_kind);
bool key_name(const struct reader *, const struct config_setting_t *, enum name_kind,
              const char **ret);

#endif
