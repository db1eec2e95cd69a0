/* policy.h - what do the commands on one policy share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_WEIRCTL_POLICY_H
#define WEIR_WEIRCTL_POLICY_H

#include "gateways.h"

enum { POLICY_TIMEOUT_MS = 600000 }; /* applying drains every export that names it */

struct policy_target {
    const char *name;
    char *path; /* policies/NAME */
    struct gateways all;
    struct gateway *gateway;
};
#define cleanup_policy __attribute__((cleanup(policy_target_close)))

enum exit_code policy_target_open(const struct invocation *, bool may_be_new,
                                  struct policy_target *);
void policy_target_close(struct policy_target *);
enum exit_code policy_get(const struct invocation *, struct policy_target *, char **text);
/* "check" or "set"; mistakes are told with `file` as the name of the text. */
enum exit_code policy_put(const struct invocation *, struct policy_target *, const char *op,
                          const char *text, const char *file);
/* The end of a command: {"gateway","policy",key:value} with --json. */
enum exit_code policy_told(const struct invocation *, const struct policy_target *, const char *key,
                           bool value);

/* All of it as a string.  0 or -errno; -EILSEQ when there is a zero byte in it. */
int read_stream(FILE *, char **ret);
int read_file(const char *path, char **ret);

#endif
