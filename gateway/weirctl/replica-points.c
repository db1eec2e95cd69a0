/* replica-points.c - to which points can a group go back?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../options.h"
#include "replica.h"

#define SECOND UINT64_C(1000000000)

/* ---- time ------------------------------------------------------------------------------ */

uint64_t when_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ".512" in ns; *end is behind it. */
static uint64_t parse_fraction(const char *text, const char **end)
{
    uint64_t ret = 0, unit = SECOND;

    *end = text;
    if (*text != '.' || !isdigit((unsigned char)text[1]))
        return 0;
    for (text++; isdigit((unsigned char)*text); text++) {
        unit /= 10;
        ret += (uint64_t)(*text - '0') * unit;
    }
    *end = text;
    return ret;
}

int parse_when(const char *text, uint64_t *ns)
{
    struct tm broken = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &broken);
    uint64_t ago, now = when_now();

    if (!end) {
        if (!isdigit((unsigned char)*text) || parse_time(text, &ago) != 0)
            return -EINVAL;
        *ns = ago < now ? now - ago : 0;
        return 0;
    }
    uint64_t fraction = parse_fraction(end, &end);
    time_t seconds = timegm(&broken);
    if (strcmp(end, "Z") != 0 || seconds < 0)
        return -EINVAL;
    *ns = (uint64_t)seconds * SECOND + fraction;
    return 0;
}

static enum exit_code option_when(const struct invocation *invocation, enum option option,
                                  uint64_t *ns)
{
    const char *text = invocation->option[option];

    if (!text || parse_when(text, ns) == 0)
        return DONE;
    return say_misuse(invocation,
                      "--%s=%s: a time is expected, as 2026-11-21T21:54:02Z, or 2h for that long "
                      "ago",
                      option_rows[option].name, text);
}

/* ---- points ------------------------------------------------------------------------------ */

enum exit_code replica_points(const struct invocation *invocation, struct replica *replica,
                              struct json_object **points)
{
    struct json_object *answer = NULL;
    enum exit_code code =
        filtered_verb(invocation, &replica->end, "asking", "points", NULL, &answer);

    if (code)
        return code;
    struct json_object *all = json_tokener_parse(text_of(answer, "text"));
    struct json_object *list = member_of(all, "points");
    json_object_put(answer);
    if (!json_object_is_type(list, json_type_array))
        code = say(invocation, -EPROTO,
                   "%s: its points cannot be read: the gateway is of another "
                   "version",
                   replica->end.export);
    else
        *points = json_object_get(list);
    json_object_put(all);
    return code;
}

static uint64_t time_of(struct json_object *point)
{
    uint64_t ns = 0;

    parse_when(text_of(point, "time"), &ns);
    return ns;
}

static bool is_at(struct json_object *point, const char *word, uint64_t lsn, uint64_t time)
{
    if (strncmp(word, "rp:", 3) == 0)
        return strcmp(text_of(point, "name"), word + 3) == 0;
    return time ? time_of(point) <= time : number_of(point, "lsn") <= lsn;
}

enum exit_code replica_find_point(const struct invocation *invocation, struct json_object *points,
                                  const char *word, struct json_object **ret)
{
    bool by_lsn = strncmp(word, "lsn:", 4) == 0, by_name = strncmp(word, "rp:", 3) == 0;
    uint64_t time = 0, lsn = by_lsn ? strtoull(word + 4, NULL, 10) : 0;

    if (!by_lsn && !by_name && parse_when(word, &time) != 0)
        return say_misuse(invocation,
                          "--point=%s: a time is expected, as 2026-11-21T21:54:02Z, or rp:NAME, or "
                          "lsn:N; weirctl replica points %s",
                          word, invocation->words[0]);
    *ret = NULL;
    for (size_t i = 0; i < items_of(points); i++) {
        struct json_object *point = json_object_array_get_idx(points, i);
        if (is_at(point, word, lsn, time))
            *ret = point;
    }
    if (*ret || by_lsn) /* that any write may be gone back to only the vault knows */
        return DONE;
    if (by_name || !items_of(points))
        return say(invocation, -ENOENT,
                   "\"%s\" has no restore point \"%s\"; weirctl replica points "
                   "%s",
                   invocation->words[0], word, invocation->words[0]);
    return say(invocation, -ENOENT,
               "\"%s\" has no restore point as old as \"%s\": the oldest is %s",
               invocation->words[0], word, text_of(json_object_array_get_idx(points, 0), "time"));
}

/* ---- the list ------------------------------------------------------------------------------ */

static struct json_object *between(struct json_object *points, uint64_t since, uint64_t until)
{
    struct json_object *ret = enough(json_object_new_array());

    for (size_t i = 0; i < items_of(points); i++) {
        struct json_object *point = json_object_array_get_idx(points, i);
        uint64_t time = time_of(point);
        if (time >= since && time <= until)
            json_object_array_add(ret, json_object_get(point));
    }
    return ret;
}

static enum exit_code print_points(const struct invocation *invocation,
                                   const struct replica *replica, struct json_object *list)
{
    static const char *const titles[] = { "TIME", ">LSN", "POINT", "GUEST", NULL };
    struct json_object *ret = document();
    struct table table;

    table_begin(&table, titles);
    for (size_t i = 0; i < items_of(list); i++) {
        struct json_object *point = json_object_array_get_idx(list, i);
        cleanup_text struct weir_text name = { 0 };
        cleanup_text struct weir_text lsn = { 0 };
        weir_print(&name, "%s%s", flag_of(point, "named") ? "rp:" : "-", text_of(point, "name"));
        weir_print(&lsn, "%" PRIu64, number_of(point, "lsn"));
        table_add(&table, (const char *const[]){ text_of(point, "time"), text_string(&lsn),
                                                 text_string(&name),
                                                 flag_of(point, "quiesced") ? "quiesced" : "-" });
    }
    add_text(ret, "gateway", replica->end.gateway->name);
    add_text(ret, "export", replica->end.export);
    add_text(ret, "group", text_of(replica->status, "group"));
    add_item(ret, "points", list);
    return print_either(invocation, ret, &table);
}

enum exit_code ctl_replica_points(const struct invocation *invocation)
{
    cleanup_replica struct replica replica = { 0 };
    struct json_object *points = NULL;
    uint64_t since = 0, until = UINT64_MAX;
    enum exit_code code = option_when(invocation, OPTION_SINCE, &since);

    if (!code)
        code = option_when(invocation, OPTION_UNTIL, &until);
    if (!code)
        code = replica_target(invocation, &replica);
    if (!code)
        code = replica_points(invocation, &replica, &points);
    if (!code)
        code = print_points(invocation, &replica, between(points, since, until));
    json_object_put(points);
    return code;
}
