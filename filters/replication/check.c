/* check.c - which options are wrong, or wrong together?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What one word may be is in tables.c; here is what no table says. */
#include "replication.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check_target(const struct replication_config *c, struct weir_text *why)
{
    static const char *const schemes[] = { "nbd",       "nbds",      "nbd+unix",
                                           "nbds+unix", "nbd+vsock", "nbds+vsock" };
    const char *end = strstr(c->target, "://"), *path = target_path(c->target);
    bool known = false;

    for (size_t i = 0; end && i < sizeof schemes / sizeof *schemes; i++)
        known |= strlen(schemes[i]) == (size_t)(end - c->target) &&
                 !strncmp(c->target, schemes[i], strlen(schemes[i]));
    if (!known) {
        weir_print(why,
                   "target = \"%s\" is no NBD URI: it begins like nbd://, nbds:// or nbd+unix://",
                   c->target);
        return -EINVAL;
    }
    if (strstr(c->target, "+unix://") && !strstr(path, "socket=")) {
        weir_print(why, "target = \"%s\" names no socket: write nbd+unix:///GROUP?socket=PATH",
                   c->target);
        return -EINVAL;
    }
    return 0;
}

/* "log:" is put before it, "@POINT" behind it. */
static int check_name(const char *what, const char *name, size_t length, struct weir_text *why)
{
    const bool log = !strncmp(name, "log:", 4);

    if (length < NAME_LENGTH && !log && !memchr(name, '/', length) && !memchr(name, '@', length))
        return 0;
    weir_print(why,
               "%s: the name of a group is \"%.*s\"; it has less than %d bytes, no \"/\" and no "
               "\"@\", and \"log:\" is put before it by itself",
               what, (int)length, name, NAME_LENGTH);
    return -EINVAL;
}

static int check_group(const struct replication_config *c, struct weir_text *why)
{
    const char *path = target_path(c->target), *said = *path == '/' ? path + 1 : path;
    const size_t length = strcspn(said, "?"), given = strlen(c->group);
    const bool vault = c->target_type == TARGET_VAULT;
    int r = check_name("group", c->group, given, why);

    if (!r && vault)
        r = check_name("target", said, length, why);
    if (r || !vault || !given || !length || (given == length && !memcmp(c->group, said, length)))
        return r;
    weir_print(
        why,
        "group = \"%s\", and target says \"%.*s\": a group has one name; leave one of both out",
        c->group, (int)length, said);
    return -EINVAL;
}

/* As a policy has it. */
static const char *show_size(uint64_t bytes, char text[24])
{
    static const char *const units[] = { "", "K", "M", "G", "T" };
    unsigned unit = 0;

    while (unit < 4 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, 24, "%llu%s", (unsigned long long)bytes, units[unit]);
    return text;
}

static int check_sizes(const struct replication_config *c, struct weir_text *why)
{
    char frame[24], other[24], wanted[24];

    show_size(c->frame, frame);
    if (c->frame > c->ring / 8) {
        weir_print(why,
                   "frame = %s is more than an eighth of ring = %s: make ring %s or more, or "
                   "frame smaller",
                   frame, show_size(c->ring, other), show_size(8 * c->frame, wanted));
        return -EINVAL;
    }
    if (c->spill && c->spill < 8 * c->frame) {
        weir_print(why, "spill = %s is less than eight times frame = %s: make it %s or more, or 0",
                   show_size(c->spill, other), frame, show_size(8 * c->frame, wanted));
        return -EINVAL;
    }
    return 0;
}

int replication_check(const void *settings, struct weir_text *why)
{
    const struct replication_config *c = settings;
    int r = check_target(c, why);

    if (!r)
        r = check_group(c, why);
    if (!r)
        r = check_sizes(c, why);
    if (!r && *c->key && c->target_type == TARGET_PLAIN) {
        weir_print(why,
                   "key = \"%s\" signs frames for a vault, and target_type = \"plain\" has nobody "
                   "who looks at that: leave key out",
                   c->key);
        r = -EINVAL;
    }
    return r;
}
