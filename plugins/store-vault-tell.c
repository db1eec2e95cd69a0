/* store-vault-tell.c - what does a vault tell of its groups, and what can it be told to do?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-vault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "vault/point.h"
#include "vault/serve.h"

/* ---- statistics -------------------------------------------------------------------- */

static struct status status_of(void *self)
{
    struct vault_store *v = self;
    struct status status;

    if (group_status(v->group, &status))
        status = (struct status){ 0 };
    return status;
}

#define NUMBER(name, field)                                                                        \
    static int64_t name(void *self)                                                                \
    {                                                                                              \
        const struct status s = status_of(self);                                                   \
        return (int64_t)(field);                                                                   \
    }
NUMBER(received_lsn, s.received_lsn)
NUMBER(durable_lsn, s.durable_lsn)
NUMBER(complete_lsn, s.complete_lsn)
NUMBER(applied_lsn, s.applied_lsn)
NUMBER(lag, s.received_lsn - s.applied_lsn)
NUMBER(restore_points, s.points)
NUMBER(fence_token, s.token)
NUMBER(free_bytes, s.free)
NUMBER(needs, s.needs)
NUMBER(mismatches, s.mismatches)
NUMBER(verified, s.verified)

static int64_t log_bytes(void *self)
{
    struct vault_store *v = self;

    return (int64_t)log_used(v->group->log);
}

static int64_t fold_failures(void *self)
{
    struct vault_store *v = self;
    hold_lock(&v->group->lock);

    return (int64_t)v->group->fold_failures;
}

static void show_fold_error(void *self, struct weir_text *text)
{
    struct vault_store *v = self;
    hold_lock(&v->group->lock);

    weir_print(text, "%s", *v->group->fold_error ? v->group->fold_error : "none");
}

static void show_role(void *self, struct weir_text *text)
{
    weir_print(text, "%s", status_of(self).role == ROLE_PRIMARY ? "primary" : "target");
}

static void show_state(void *self, struct weir_text *text)
{
    struct vault_store *v = self;
    const struct status s = status_of(self);

    weir_print(text, "%s", tell_state(v->group, &s));
}

static void show_oldest(void *self, struct weir_text *text)
{
    const uint64_t oldest = status_of(self).oldest_time;
    char time[TIME_TEXT] = "none";

    if (oldest)
        time_write(oldest, time);
    weir_print(text, "%s", time);
}

static void show_generation(void *self, struct weir_text *text)
{
    const struct status s = status_of(self);

    weir_print(text, "%016" PRIx64, s.lineage.count ? s.lineage.list[0].id : 0);
}

static void show_source(void *self, struct weir_text *text)
{
    const struct status s = status_of(self);

    for (unsigned i = 0; i < sizeof s.source; i++)
        weir_print(text, "%02x", s.source[i]);
}

const struct weir_stat vault_stats[] = {
    WEIR_STAT_TEXT(role, show_role, "target, or primary once it was promoted."),
    WEIR_STAT_TEXT(state, show_state,
                   "new, initial, receiving, catching-up, stopped, rolling-back or primary."),
    WEIR_STAT_VALUE(received_lsn, received_lsn, "", "The last LSN of the log that has come."),
    WEIR_STAT_VALUE(durable_lsn, durable_lsn, "", "The last LSN that is durable."),
    WEIR_STAT_VALUE(complete_lsn, complete_lsn, "",
                    "The LSN of the last state that is durable, which promote latest gives."),
    WEIR_STAT_VALUE(applied_lsn, applied_lsn, "", "The LSN that the latest disks are at."),
    WEIR_STAT_VALUE(lag, lag, "", "LSNs that have come and are not in the latest disks yet."),
    WEIR_STAT_VALUE(restore_points, restore_points, "", "Restore points that can be opened."),
    WEIR_STAT_TEXT(oldest_point, show_oldest, "The time of the oldest restore point, or none."),
    WEIR_STAT_TEXT(generation, show_generation, "The present generation."),
    WEIR_STAT_VALUE(fence_token, fence_token, "", "The token that the present source has."),
    WEIR_STAT_VALUE(log_bytes, log_bytes, "bytes", "What the log takes."),
    WEIR_STAT_VALUE(free_bytes, free_bytes, "bytes", "What it may take more."),
    WEIR_STAT_VALUE(needs, needs, "", "Granules of 64 KiB that the source is asked to send."),
    WEIR_STAT_VALUE(mismatches, mismatches, "", "Granules that a verify found different, ever."),
    WEIR_STAT_VALUE(verified, verified, "", "Granules that were compared, ever."),
    WEIR_STAT_VALUE(fold_failures, fold_failures, "",
                    "How often history could not be folded, since the group was opened."),
    WEIR_STAT_TEXT(fold_error, show_fold_error, "Why history cannot be folded now, or none."),
    WEIR_STAT_TEXT(source, show_source, "The identity of the source that has the token."),
    { 0 },
};

/* ---- verbs ------------------------------------------------------------------------- */

static int of_log(const struct vault_store *v, struct weir_text *answer)
{
    if (v->kind == IMAGE_LOG)
        return 0;
    weir_print(answer,
               "say it to the export of the group's log, log:%s, which all of its disks "
               "belong to",
               v->group->name);
    return -EINVAL;
}

static int run_status(void *self, const char *arguments, struct weir_text *answer)
{
    struct vault_store *v = self;

    (void)arguments;
    return tell_status(v->group, answer);
}

static int run_points(void *self, const char *arguments, struct weir_text *answer)
{
    struct vault_store *v = self;

    (void)arguments;
    return tell_points(v->group, answer);
}

/* Takes `word` out of the words at *arguments if it is the last, or the only one. */
static bool take_last(char *arguments, const char *word)
{
    const size_t length = strlen(arguments), n = strlen(word);

    if (length < n || strcmp(arguments + length - n, word) != 0 ||
        (length > n && arguments[length - n - 1] != ' '))
        return false;
    arguments[length > n ? length - n - 1 : 0] = 0;
    return true;
}

static int run_promote(void *self, const char *arguments, struct weir_text *answer)
{
    struct vault_store *v = self;
    cleanup_free char *point = strdup(arguments);
    int r = of_log(v, answer);

    if (r || !point)
        return r ? r : -ENOMEM;
    const bool dry_run = take_last(point, "dry-run");
    if (!*point) {
        weir_print(answer, "promote to what?  Write promote latest, or a restore point like "
                           "rp:NAME or 2026-11-21T21:54:02Z, and dry-run behind it to see what "
                           "would be lost");
        return -EINVAL;
    }
    return group_promote(v->group, strcmp(point, "latest") == 0 ? PROMOTE_LATEST : PROMOTE_POINT,
                         point, dry_run, answer, answer);
}

static int run_demote(void *self, const char *arguments, struct weir_text *answer)
{
    struct vault_store *v = self;
    cleanup_free char *words = strdup(arguments);
    int r = of_log(v, answer);

    if (r || !words)
        return r ? r : -ENOMEM;
    const bool dry_run = take_last(words, "dry-run"), discard = take_last(words, "discard");
    if (*words) {
        weir_print(answer, "\"%s\" is nothing that demote knows: write demote [discard] [dry-run]",
                   words);
        return -EINVAL;
    }
    return group_demote(v->group, discard, dry_run, answer, answer);
}

static int run_accept(void *self, const char *arguments, struct weir_text *answer)
{
    struct vault_store *v = self;
    int r = of_log(v, answer);

    (void)arguments;
    return r ? r : group_accept(v->group, answer, answer);
}

const struct weir_verb vault_verbs[] = {
    { "status", "One JSON object that says how the group stands.", run_status },
    { "points", "The restore points as JSON, oldest first.", run_points },
    { "promote",
      "latest|POINT [dry-run]: makes this site the primary, at the latest or an older state.",
      run_promote },
    { "demote",
      "[discard] [dry-run]: makes it a target again; discard: what was written here goes.",
      run_demote },
    { "accept", "Lets a source of another past send everything anew, over what is here.",
      run_accept },
    { 0 },
};
