/* tell.c - what is there to say of a group?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "serve.h"

#include <inttypes.h>
#include <stdio.h>

#include "control/json-out.h"
#include "point.h"
#include "scope.h"

const char *tell_state(struct group *g, const struct status *s)
{
    hold_lock(&g->lock);

    if (s->role == ROLE_PRIMARY)
        return "primary";
    if (*s->error)
        return "stopped";
    if (g->record.rolling_to)
        return "rolling-back";
    if (!s->token)
        return "new"; /* no source has ever come */
    if (g->record.initial)
        return "initial";
    return s->received_lsn > s->complete_lsn ? "catching-up" : "receiving";
}

void tell_identity(struct group *g, unsigned disk, char text[DISK_IDENTITY])
{
    char group[2 * sizeof(g->record.uuid) + 1];

    hold_lock(&g->lock);
    for (size_t i = 0; i < sizeof(g->record.uuid); i++)
        snprintf(group + 2 * i, 3, "%02x", g->record.uuid[i]);
    snprintf(text, DISK_IDENTITY, "vault %s/%s %016" PRIx64, group, g->disks[disk].name,
             g->record.lineage.list[0].id);
}

static void out_time(struct json_out *out, const char *key, uint64_t time)
{
    char text[TIME_TEXT] = "";

    if (time)
        time_write(time, text);
    out_text(out, key, text);
}

static void out_id(struct json_out *out, const char *key, const uint8_t id[16])
{
    char text[33];

    for (unsigned i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    out_text(out, key, text);
}

static void out_disks(struct group *g, struct json_out *out)
{
    hold_lock(&g->lock);

    out_open(out, "disks", '[');
    for (unsigned i = 0; i < DISKS; i++) {
        const struct group_disk *d = &g->disks[i];
        if (!*d->name)
            continue;
        out_open(out, NULL, '{');
        out_text(out, "name", d->name);
        out_number(out, "size", d->size);
        out_bool(out, "served", d->served != NULL);
        out_close(out, '}');
    }
    out_close(out, ']');
}

static void out_lsns(struct json_out *out, const struct status *s)
{
    out_number(out, "received_lsn", s->received_lsn);
    out_number(out, "durable_lsn", s->durable_lsn);
    out_number(out, "complete_lsn", s->complete_lsn);
    out_time(out, "complete_time", s->complete_time);
    out_number(out, "applied_lsn", s->applied_lsn);
    out_number(out, "lag_lsn", s->received_lsn - s->applied_lsn);
}

static void out_history(struct group *g, struct json_out *out)
{
    hold_lock(&g->lock);

    out_bool(out, "shortened", g->shortened);
    out_number(out, "fold_failures", g->fold_failures);
    out_text(out, "fold_error", g->fold_error);
}

int tell_status(struct group *g, struct weir_text *answer)
{
    struct json_out out = { 0 };
    struct status s;
    char generation[20];
    int r = group_status(g, &s);

    if (r) {
        weir_print(answer, "the status of group %s cannot be read", g->name);
        return r;
    }
    snprintf(generation, sizeof generation, "%016" PRIx64,
             s.lineage.count ? s.lineage.list[0].id : 0);
    out_open(&out, NULL, '{');
    out_text(&out, "group", g->name);
    out_text(&out, "role", s.role == ROLE_PRIMARY ? "primary" : "target");
    out_text(&out, "state", tell_state(g, &s));
    out_id(&out, "uuid", s.group);
    out_id(&out, "source", s.source);
    out_text(&out, "generation", generation);
    out_number(&out, "fence_token", s.token);
    out_lsns(&out, &s);
    out_number(&out, "points", s.points);
    out_time(&out, "oldest", s.oldest_time);
    out_number(&out, "needs", s.needs);
    out_number(&out, "mismatches", s.mismatches);
    out_number(&out, "verified", s.verified);
    out_number(&out, "log_bytes", log_used(g->log));
    out_number(&out, "free_bytes", s.free);
    out_disks(g, &out);
    out_history(g, &out);
    out_text(&out, "last_error", s.error);
    out_close(&out, '}');
    text_append(answer, out.text.text, out.text.length);
    weir_print(answer, "\n");
    text_finish(&out.text);
    return 0;
}

static int out_point(void *arg, const struct point *p)
{
    struct json_out *out = arg;

    out_open(out, NULL, '{');
    out_text(out, "name", p->name);
    out_time(out, "time", p->time);
    out_number(out, "lsn", p->lsn);
    out_bool(out, "named", p->named);
    out_bool(out, "quiesced", p->quiesced);
    out_close(out, '}');
    return 0;
}

int tell_points(struct group *g, struct weir_text *answer)
{
    struct json_out out = { 0 };
    int r = 0;

    out_open(&out, NULL, '{');
    out_open(&out, "points", '[');
    if (g->points)
        r = points_each(g->points, out_point, &out);
    out_close(&out, ']');
    out_close(&out, '}');
    text_append(answer, out.text.text, out.text.length);
    weir_print(answer, "\n");
    text_finish(&out.text);
    return r;
}
