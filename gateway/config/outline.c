/* outline.c - where does each setting of a configuration text stand?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A recursive descent, NESTING_MAX deep at most, that ends at the first mistake of the
 * text's form: what comes after it could mean anything. */
#include "outline.h"
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct scan scan;
    struct outline *outline;
    unsigned depth;
};

static bool read_value(struct reading *, size_t spot);

static bool is_mark(const struct reading *r, char mark)
{
    return r->scan.token.kind == TOKEN_MARK && r->scan.token.mark == mark;
}

/* ---- sentences --------------------------------------------------------------- */

static bool fail_here(struct reading *r, const char *expected, const char *remedy)
{
    const struct token *t = &r->scan.token;
    char word[64];

    if (t->kind == TOKEN_WRONG)
        return false; /* said already */
    if (t->kind == TOKEN_END)
        report_end(r->scan.report, r->scan.file, t->at, "", "the text ends here, but %s%s",
                   expected, remedy);
    else
        report_mistake(r->scan.report, r->scan.file, t->at, scan_word(&r->scan, word),
                       t->kind == TOKEN_STRING ? "%s is not expected here: %s%s"
                                               : "\"%s\" is not expected here: %s%s",
                       word, expected, remedy);
    return false;
}

static bool fail_value(struct reading *r)
{
    const struct token *t = &r->scan.token;
    char word[64];

    if (t->kind != TOKEN_NAME)
        return fail_here(r, "a value is missing", "");
    scan_word(&r->scan, word);
    report_mistake(r->scan.report, r->scan.file, t->at, word,
                   "\"%s\" is not a value: write text in quotes, \"%s\"", word, word);
    return false;
}

static bool fail_unclosed(struct reading *r, struct place begin, const char *what, char closing)
{
    report_end(r->scan.report, r->scan.file, begin, "",
               "the %s that begins here is not closed: \"%c\" is missing", what, closing);
    return false;
}

static bool fail_limit(struct reading *r, const char *sentence)
{
    report_mistake(r->scan.report, r->scan.file, r->scan.token.at, "", "%s", sentence);
    return false;
}

/* ---- spots ------------------------------------------------------------------- */

/* The index of a new spot at the present token, or SIZE_MAX. */
static size_t new_spot(struct reading *r)
{
    struct outline *o = r->outline;

    if (o->count == SETTINGS_MAX) {
        fail_limit(r, "the file has too many settings");
        return SIZE_MAX;
    }
    if (o->count == o->capacity) {
        size_t capacity = o->capacity ? 2 * o->capacity : 64;
        struct spot *more = realloc(o->spots, capacity * sizeof *more);
        if (!more) {
            report_memory(r->scan.report);
            return SIZE_MAX;
        }
        o->spots = more;
        o->capacity = capacity;
    }
    o->spots[o->count] = (struct spot){ .at = r->scan.token.at, .start = r->scan.token.start };
    return o->count++;
}

static bool descend(struct reading *r)
{
    if (++r->depth > NESTING_MAX)
        return fail_limit(r, "groups and lists are nested too deeply here");
    return true;
}

/* ---- the grammar ------------------------------------------------------------- */

/* Is the name of the present token one of the group's, whose first spots these are? */
static bool is_twice(struct reading *r, const size_t *group, size_t count)
{
    const struct scan *s = &r->scan;
    size_t length = s->token.end - s->token.start;

    for (size_t i = 0; i < count; i++) {
        const struct spot *other = &r->outline->spots[group[i]];
        const char *name = s->text + other->start;
        /* a name ends where no name can go on */
        if (!strncmp(name, s->text + s->token.start, length) &&
            !strspn(name + length, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "-_*")) {
            char word[64];
            scan_word(s, word);
            report_mistake(s->report, s->file, s->token.at, word,
                           "\"%s\" is given a second time: the first is in line %u", word,
                           other->at.line);
            return true;
        }
    }
    return false;
}

static bool read_setting(struct reading *r, size_t *group, size_t *count)
{
    struct scan *s = &r->scan;

    if (s->token.kind != TOKEN_NAME)
        return fail_here(r, "a setting has the form NAME = VALUE;", "");
    if (*count == GROUP_MAX)
        return fail_limit(r, "the group has too many settings");
    if (is_twice(r, group, *count))
        return false;
    size_t spot = new_spot(r);
    if (spot == SIZE_MAX)
        return false;
    group[(*count)++] = spot;
    scan_next(s);
    if (!is_mark(r, '=') && !is_mark(r, ':'))
        return fail_here(r, "\"=\" is missing", "");
    scan_next(s);
    if (!read_value(r, spot))
        return false;
    if (is_mark(r, ';') || is_mark(r, ','))
        scan_next(s);
    return true;
}

/* Settings up to `closing`, or to the end of the text when that is 0. */
static bool read_settings(struct reading *r, char closing)
{
    size_t group[GROUP_MAX], count = 0;

    while (closing ? !is_mark(r, closing) : r->scan.token.kind != TOKEN_END) {
        if (closing && r->scan.token.kind == TOKEN_END)
            return true; /* the caller knows where it began */
        if (!read_setting(r, group, &count))
            return false;
    }
    return true;
}

static bool read_entries(struct reading *r, char closing)
{
    while (!is_mark(r, closing) && r->scan.token.kind != TOKEN_END) {
        if (closing == ']' && (is_mark(r, '(') || is_mark(r, '[') || is_mark(r, '{')))
            return fail_here(r, "an array in [ ] has plain values only", ": use a list in ( )");
        size_t spot = new_spot(r);
        if (spot == SIZE_MAX || !read_value(r, spot))
            return false;
        if (is_mark(r, closing) || r->scan.token.kind == TOKEN_END)
            break;
        if (!is_mark(r, ','))
            return fail_here(r, "\",\" is missing between two entries", "");
        scan_next(&r->scan);
        if (is_mark(r, closing))
            return fail_here(r, "an entry follows a comma", ": drop the comma before it");
    }
    return true;
}

static bool read_nested(struct reading *r, size_t spot, char closing, const char *what)
{
    struct place begin = r->scan.token.at;

    if (!descend(r))
        return false;
    scan_next(&r->scan);
    if (closing == '}' ? !read_settings(r, closing) : !read_entries(r, closing))
        return false;
    if (!is_mark(r, closing))
        return r->scan.report->err ? false : fail_unclosed(r, begin, what, closing);
    r->depth--;
    r->outline->spots[spot].end = r->scan.token.end;
    scan_next(&r->scan);
    return true;
}

static bool read_value(struct reading *r, size_t spot)
{
    struct scan *s = &r->scan;
    struct spot *p = &r->outline->spots[spot];

    p->value = s->token.at;
    p->value_start = s->token.start;
    if (is_mark(r, '{'))
        return read_nested(r, spot, '}', "group");
    if (is_mark(r, '('))
        return read_nested(r, spot, ')', "list");
    if (is_mark(r, '['))
        return read_nested(r, spot, ']', "array");
    if (s->token.kind == TOKEN_STRING) {
        while (s->token.kind == TOKEN_STRING) /* "a" "b" is "ab" */
            scan_next(s);
    } else if (s->token.kind == TOKEN_NUMBER || s->token.kind == TOKEN_BOOL) {
        p->wraps = s->token.wraps;
        p->is_bare_int = s->token.is_bare_int;
        scan_next(s);
    } else {
        return fail_value(r);
    }
    p->end = s->last_end;
    return true;
}

int outline_read(const char *file, const char *text, size_t size, unsigned first_line,
                 struct outline *ret, struct report *report)
{
    /* the text's own mistakes end the reading, those of files before it do not */
    struct report own = { .mistakes = report->mistakes };
    struct reading r = { .outline = ret };

    *ret = (struct outline){ 0 };
    if (size > TEXT_MAX) {
        report_file(&own, -EINVAL, file, "the file has %zu bytes: a configuration has at most %d",
                    size, TEXT_MAX);
    } else if (scan_begin(&r.scan, file, text, size, first_line, &own)) {
        scan_next(&r.scan);
        read_settings(&r, 0);
    }
    if (!own.err)
        return 0;
    outline_finish(ret);
    report->err = own.err;
    return own.err;
}

void outline_finish(struct outline *o)
{
    free(o->spots);
    *o = (struct outline){ 0 };
}
