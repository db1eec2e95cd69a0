/* status.c - how does a group describe itself and its target to programs?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replication.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- the target ------------------------------------------------------------------------------ */

void status_target_error(const struct group *g, char text[WHY])
{
    const struct status *p = &g->peer;

    *text = '\0';
    if (p->refused)
        why_print(text, "cannot apply: %.160s, %" PRIu64 " LSNs behind",
                  p->refused == EBADMSG && *p->error ? p->error : strerror((int)p->refused),
                  p->received_lsn - p->applied_lsn);
}

void status_heard(struct group *g, const struct status *said)
{
    const bool refused = g->peer.refused;
    char text[WHY];

    g->peer = *said;
    status_target_error(g, text);
    if (!refused && *text)
        group_say(g, WEIR_ERROR, "target: %s", text);
    else if (refused && !*text && said->role == ROLE_TARGET)
        group_say(g, WEIR_INFO, "target: applies what it receives again");
}

/* ---- the group ------------------------------------------------------------------------------- */

static void print_string(struct weir_text *t, const char *s)
{
    weir_print(t, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            weir_print(t, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            weir_print(t, "\\u%04x", (unsigned char)*s);
        else
            weir_print(t, "%c", *s);
    weir_print(t, "\"");
}

static void key_string(struct weir_text *t, const char *key, const char *s)
{
    weir_print(t, ",\"%s\":", key);
    print_string(t, s);
}

static void key_number(struct weir_text *t, const char *key, uint64_t n)
{
    weir_print(t, ",\"%s\":%" PRIu64, key, n);
}

static void print_disks(const struct group *g, struct weir_text *t)
{
    bool first = true;

    weir_print(t, ",\"disks\":[");
    for (unsigned i = 0; i < DISKS; i++) {
        if (!g->disks[i])
            continue;
        weir_print(t, "%s{\"name\":", first ? "" : ",");
        print_string(t, g->disks[i]->name);
        key_number(t, "size", atomic_load(&g->disks[i]->size));
        key_string(t, "mode", replication_modes[atomic_load(&g->disks[i]->mode)]);
        weir_print(t, "}");
        first = false;
    }
    weir_print(t, "]");
}

static void print_fork(const struct group *g, struct weir_text *t)
{
    if (g->kinship != KIN_FORK && g->kinship != KIN_PROMOTED)
        return;
    weir_print(t,
               ",\"fork\":{\"common\":\"%016" PRIx64 "\",\"lsn\":%" PRIu64
               ",\"source_lost\":%" PRIu64 ",\"target_lost\":%" PRIu64 "}",
               g->fork.common, g->fork.lsn, g->fork.source_lost, g->fork.target_lost);
}

/* Each disk has its own; a restore point of all of them is worth what the weakest promises. */
static const char *mode_of(const struct group *g)
{
    int mode = -1;

    for (unsigned i = 0; i < DISKS; i++) {
        const int one = g->disks[i] ? atomic_load(&g->disks[i]->mode) : mode;
        mode = mode < 0 || one < mode ? one : mode;
    }
    return replication_modes[mode < 0 ? MODE_ASYNC : mode];
}

void status_print(struct group *g, struct weir_text *t)
{
    char target_error[WHY];

    weir_print(t, "{\"group\":");
    print_string(t, g->name);
    key_string(t, "role", "source");
    key_string(t, "state", group_state(g));
    key_string(t, "mode", mode_of(g));
    key_string(t, "target", g->uri);
    key_string(t, "target_type", g->config.target_type == TARGET_PLAIN ? "plain" : "vault");
    weir_print(t, ",\"generation\":\"%016" PRIx64 "\"",
               g->record.lineage.count ? g->record.lineage.list[0].id : 0);
    key_number(t, "fence_token", g->token);
    key_number(t, "lsn", g->lsn);
    key_number(t, "received_lsn", g->received_lsn);
    key_number(t, "durable_lsn", g->durable_lsn);
    key_number(t, "complete_lsn", g->complete_lsn);
    if (g->config.target_type == TARGET_VAULT)
        key_number(t, "applied_lsn", g->peer.applied_lsn);
    key_number(t, "lag_lsn",
               g->lsn > g->received_lsn && g->connected ? g->lsn - g->received_lsn : 0);
    key_number(t, "lag_bytes", group_lag_bytes(g));
    key_number(t, "lag_ms", group_lag_ns(g) / 1000000);
    key_number(t, "rpo_ms", group_rpo_ns(g) / 1000000);
    key_number(t, "dirty_granules", group_dirty(g));
    key_number(t, "spill_bytes", g->spill_head - g->spill_tail);
    weir_print(t, ",\"connected\":%s", g->connected ? "true" : "false");
    weir_print(t, ",\"initial\":%s", g->initial ? "true" : "false");
    print_disks(g, t);
    key_number(t, "verify_done", g->verify_done);
    key_number(t, "verify_total", g->verify_total);
    key_number(t, "mismatches", g->peer.mismatches);
    if (g->record.fetch != FETCH_NONE) {
        key_number(t, "fetch_left", g->fetch_left);
        weir_print(t, ",\"fetch_following\":%s", g->fetch_following ? "true" : "false");
    }
    key_string(t, "last_error", g->error);
    status_target_error(g, target_error);
    key_string(t, "target_error", target_error);
    if (g->peer.time) /* they have met */
        key_string(t, "kinship", kinship_name(g->kinship));
    print_fork(g, t);
    weir_print(t, "}");
}
