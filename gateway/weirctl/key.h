/* key.h - how is the filter of class encryption of one export asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_KEY_H
#define WEIR_WEIRCTL_KEY_H

#include "gateways.h"

/* Those that filters/encryption/keys.h describes. */
#define KEY_PROVIDERS "file", "credential", "keyring", "exec", "pkcs11", "token", "clevis"

struct keyed {
    struct gateways all;
    struct gateway *gateway;
    const char *export;         /* its name */
    struct json_object *filter; /* of class encryption; borrowed */
};
#define cleanup_keyed __attribute__((cleanup(keyed_close)))

/* The export that the command names first. */
enum exit_code keyed_open(const struct invocation *, struct keyed *);
void keyed_close(struct keyed *);

/* The filter of class encryption of an export of "show"; NULL: it has none. */
struct json_object *encryption_of(struct json_object *entry);
/* Of what lies under the filter: "ctl", "stats/state". */
void keyed_path(const struct keyed *, const char *rest, struct weir_text *);
/* Runs a verb of the filter; argument NULL: none.  `doing` is how progress calls it. */
enum exit_code keyed_verb(const struct invocation *, const struct keyed *, const char *doing,
                          const char *verb, const char *argument, struct json_object **answer);
/* A statistic, or what a verb without argument answers; nothing is said.  0; -errno with the
 * refusal; or -errno and "": the gateway did not answer, see say_silent().  The caller frees *text.
 */
int keyed_statistic(const struct invocation *, const struct keyed *, const char *name, char **text);
int keyed_ask(const struct invocation *, const struct keyed *, const char *verb, char **text);
/* Says what was done. */
enum exit_code keyed_finish(const struct invocation *, const struct keyed *, const char *done,
                            const char *text);
/* Does it name a provider of keys?  What does not is never repeated. */
enum exit_code judge_key(const struct invocation *, const char *key);

#endif
