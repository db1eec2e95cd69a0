/* key.c - which disks are encrypted, with which key, and how do they go over to another?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The work is done by the verbs of the filter of class encryption.  A KEY names a provider of keys,
 * never a key; what does not name one is refused and never repeated, as it may be a passphrase
 * that somebody wrote there. */
#include "key.h"

#include <string.h>

/* ---- the disk ---------------------------------------------------------------- */

enum exit_code key_open(const struct invocation *invocation, struct filtered *disk)
{
    return filtered_open(invocation, disk, "encryption",
                         "{ filter = \"encryption\"; key = \"…\"; }");
}

/* ---- format, lock, unlock, add, remove --------------------------------------- */

enum exit_code ctl_key_format(const struct invocation *invocation)
{
    return filtered_run(invocation, key_open, "formatting");
}

enum exit_code ctl_key_lock(const struct invocation *invocation)
{
    return filtered_run(invocation, key_open, "locking");
}

enum exit_code ctl_key_unlock(const struct invocation *invocation)
{
    return filtered_run(invocation, key_open, "unlocking");
}

/* A provider and its colon: what else follows is for the gateway to judge. */
enum exit_code judge_key(const struct invocation *invocation, const char *key)
{
    static const char *const providers[] = { KEY_PROVIDERS, NULL };
    cleanup_text struct weir_text list = { 0 };
    size_t length = strcspn(key, ":");

    for (size_t i = 0; providers[i]; i++) {
        if (key[length] && strlen(providers[i]) == length &&
            strncmp(providers[i], key, length) == 0)
            return DONE;
        weir_print(&list, "%s%s:", i ? ", " : "", providers[i]);
    }
    return say_misuse(invocation,
                      "KEY names where a key comes from and begins with one of %s; yours does not "
                      "and is not repeated here: if it is a passphrase, the history of your shell "
                      "has it now, so do not use it",
                      text_string(&list));
}

enum exit_code ctl_key_add(const struct invocation *invocation)
{
    enum exit_code code = judge_key(invocation, invocation->words[1]);

    return code ? code : filtered_run(invocation, key_open, "adding a key to");
}

enum exit_code ctl_key_remove(const struct invocation *invocation)
{
    const char *word = invocation->words[1];

    if (!*word || word[strspn(word, "0123456789")])
        return say_misuse(invocation,
                          "SLOT is the number of a key slot, as weirctl key status "
                          "%s shows it; yours is no number and is not repeated here",
                          invocation->words[0]);
    return filtered_run(invocation, key_open, "removing a key of");
}
