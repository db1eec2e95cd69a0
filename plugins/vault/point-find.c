/* point-find.c - which point does a word mean?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "point.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "scope.h"

static const uint64_t second = 1000000000;

/* ---- times ------------------------------------------------------------------------- */

void time_write(uint64_t time, char out[TIME_TEXT])
{
    const time_t seconds = (time_t)(time / second);
    char fraction[16]; /* ".123456789", without zeroes at its end */
    struct tm tm;

    snprintf(fraction, sizeof fraction, ".%09u", (unsigned)(time % second));
    for (size_t n = strlen(fraction); n > 0 && strchr("0.", fraction[n - 1]); n--)
        fraction[n - 1] = 0;
    gmtime_r(&seconds, &tm); /* 64 bits of ns end in 2554 */
    const size_t length = strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    stpcpy(stpcpy(out + length, fraction), "Z");
}

/* Does a text begin as a pattern says, in which 0 is any digit and T is T, t or a blank? */
static bool looks_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        const bool fits = *pattern == '0'   ? isdigit((unsigned char)*text) != 0
                          : *pattern == 'T' ? *text && strchr("Tt ", *text)
                                            : *text == *pattern;
        if (!fits)
            return false;
    }
    return true;
}

/* ".5" as ns; moves *text behind it. */
static uint64_t read_fraction(const char **text)
{
    uint64_t ns = 0, unit = second / 10;

    if (**text != '.')
        return 0;
    for (++*text; isdigit((unsigned char)**text); ++*text, unit /= 10)
        ns += unit * (uint64_t)(**text - '0');
    return ns;
}

/* "Z" or "+01:00" as seconds east of Greenwich; false: neither, or more behind it. */
static bool read_zone(const char *text, int *east)
{
    int hours = 0, minutes = 0;

    *east = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    if (!looks_like(text + 1, "00:00") || text[6])
        return false;
    sscanf(text + 1, "%2d:%2d", &hours, &minutes);
    if (hours > 23 || minutes > 59)
        return false;
    *east = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool time_read(const char *text, uint64_t *time)
{
    struct tm tm = { 0 };
    int east;

    if (!looks_like(text, "0000-00-00T00:00:00"))
        return false;
    sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
           &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
    struct tm day = { .tm_year = tm.tm_year - 1900,
                      .tm_mon = tm.tm_mon - 1,
                      .tm_mday = tm.tm_mday };
    tm.tm_year -= 1900;
    tm.tm_mon--;
    timegm(&day); /* the 30th of February becomes another day */
    if (day.tm_mday != tm.tm_mday || day.tm_mon != tm.tm_mon || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    text += strlen("0000-00-00T00:00:00");
    const uint64_t fraction = read_fraction(&text);
    if (!read_zone(text, &east))
        return false;
    const int64_t at = (int64_t)timegm(&tm) - east;
    if (at < 0)
        return false;
    *time = (uint64_t)at * second + fraction;
    return true;
}

/* ---- with the lock ----------------------------------------------------------------- */

static void say_mark(const struct mark *m, struct weir_text *why)
{
    char time[TIME_TEXT];

    time_write(m->time, time);
    if (m->name)
        weir_print(why, "rp:%s (%s, lsn:%" PRIu64 ")", m->name, time, m->lsn);
    else
        weir_print(why, "%s (lsn:%" PRIu64 ")", time, m->lsn);
}

static int none_at_all(const struct points *p, struct weir_text *why)
{
    weir_print(
        why,
        "; there is no restore point at present: latest is the only one there is (lsn:%" PRIu64 ")",
        p->state.lsn);
    return -ENOENT;
}

static int find_time(struct points *p, uint64_t time, const char *word, struct point *ret,
                     struct weir_text *why)
{
    for (size_t i = p->marks; i-- > 0;)
        if (p->mark[i].time <= time) {
            mark_point(&p->mark[i], ret);
            return 0;
        }
    weir_print(why, "there is no restore point at or before \"%s\"", word);
    if (!p->marks)
        return none_at_all(p, why);
    weir_print(why, "; the oldest is ");
    say_mark(&p->mark[0], why);
    return -ENOENT;
}

/* The names there are, or the nearest of them. */
static int no_such_name(struct points *p, const char *name, struct weir_text *why)
{
    const char **names = calloc(p->marks + 1, sizeof *names);
    size_t count = 0;

    weir_print(why, "there is no restore point named \"%s\"", name);
    for (size_t i = p->marks; names && i-- > 0;)
        if (p->mark[i].name)
            names[count++] = p->mark[i].name;
    const char *near = names ? nearest_word(name, names) : NULL;
    if (near)
        weir_print(why, "; did you mean rp:%s?", near);
    else if (!count)
        weir_print(why, "; none has a name");
    else
        weir_print(why, "; the last that has a name is rp:%s", names[0]);
    free(names);
    return -ENOENT;
}

static int find_name(struct points *p, const char *name, struct point *ret, struct weir_text *why)
{
    for (size_t i = p->marks; i-- > 0;)
        if (p->mark[i].name && strcmp(p->mark[i].name, name) == 0) {
            mark_point(&p->mark[i], ret);
            return 0;
        }
    return no_such_name(p, name, why);
}

static int find_latest(struct points *p, struct point *ret)
{
    *ret = p->state;
    return 0;
}

static int find_lsn(struct points *p, uint64_t lsn, struct point *ret, struct weir_text *why)
{
    const struct set *set = set_around(p, lsn);

    if (lsn < p->trimmed_lsn || lsn > p->state.lsn) {
        weir_print(why,
                   "lsn:%" PRIu64 " is not in the history, which goes from lsn:%" PRIu64
                   " to lsn:%" PRIu64,
                   lsn, p->trimmed_lsn, p->state.lsn);
        return -ENOENT;
    }
    if (set) {
        weir_print(why,
                   "lsn:%" PRIu64
                   " is inside of a set that came as a whole; the nearest states are "
                   "lsn:%" PRIu64 " and lsn:%" PRIu64,
                   lsn, set->first > p->trimmed_lsn ? set->first - 1 : p->trimmed_lsn, set->last);
        return -ENOENT;
    }
    *ret = (struct point){ .lsn = lsn, .position = p->trimmed };
    /* the last mark at or before it: nothing that is needed lies behind its frame's start */
    const size_t i = mark_from(p, lsn + 1);
    if (i > 0) {
        ret->position = p->mark[i - 1].position;
        ret->time = p->mark[i - 1].time;
    }
    return 0;
}

static bool read_lsn(const char *text, uint64_t *ret)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return !errno && !*end;
}

static int find(struct points *p, const char *word, struct point *ret, struct weir_text *why)
{
    uint64_t number;

    if (strcmp(word, "latest") == 0)
        return find_latest(p, ret);
    if (strncmp(word, "rp:", 3) == 0)
        return find_name(p, word + 3, ret, why);
    if (strncmp(word, "lsn:", 4) == 0 && read_lsn(word + 4, &number))
        return find_lsn(p, number, ret, why);
    if (time_read(word, &number))
        return find_time(p, number, word, ret, why);
    weir_print(
        why,
        "\"%s\" is no restore point: write latest, a time like 2026-11-21T21:54:02Z, rp:NAME "
        "or lsn:NUMBER",
        word);
    return -EINVAL;
}

int points_find(struct points *p, const char *word, struct point *ret, struct weir_text *why)
{
    hold_lock(&p->lock);
    int r = find(p, word, ret, why);

    if (!r && ret->position < p->trimmed) /* of the log nothing before that is needed */
        ret->position = p->trimmed;
    return r;
}
