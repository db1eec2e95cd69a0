/* scan.c - which words, numbers and marks is a configuration text made of?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- bytes ------------------------------------------------------------------- */

/* The length of the UTF-8 character at `s`, 0 if it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first_from, first_to, next_from, next_to;
        size_t length;
    } forms[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        if (*s < forms[f].first_from || *s > forms[f].first_to)
            continue;
        if (forms[f].length > left)
            return 0;
        for (size_t i = 1; i < forms[f].length; i++) {
            unsigned char from = i == 1 ? forms[f].next_from : 0x80;
            unsigned char to = i == 1 ? forms[f].next_to : 0xbf;
            if (s[i] < from || s[i] > to)
                return 0;
        }
        return forms[f].length;
    }
    return 0;
}

static void wrong_byte(struct scan *s, unsigned char byte)
{
    if (!byte)
        report_mistake(s->report, s->file, s->at, "",
                       "here is a NUL byte: a configuration is text");
    else if (byte < 0x80)
        report_mistake(s->report, s->file, s->at, "",
                       "here is the control character 0x%02x: a configuration is text", byte);
    else
        report_mistake(s->report, s->file, s->at, "",
                       "the byte 0x%02x is not UTF-8: save the file in UTF-8", byte);
}

bool scan_begin(struct scan *s, const char *file, const char *text, size_t size,
                unsigned first_line, struct report *report)
{
    *s = (struct scan){
        .file = file, .text = text, .size = size, .at = { first_line, 1 }, .report = report
    };
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        report_mistake(report, file, s->at, "",
                       "the file begins with a byte order mark: save it as UTF-8 without one");
        return false;
    }
    for (size_t i = 0; i < size;) {
        unsigned char byte = (unsigned char)text[i];
        size_t length = utf8_length((const unsigned char *)text + i, size - i);
        if (!length || byte == 0x7f || (byte < ' ' && !strchr("\t\n\r", byte)) || !byte) {
            wrong_byte(s, byte);
            return false;
        }
        i += length;
        s->at.column++;
        if (byte == '\n')
            s->at = (struct place){ s->at.line + 1, 1 };
    }
    s->at = (struct place){ first_line, 1 };
    return true;
}

static int peek(const struct scan *s, size_t ahead)
{
    return s->here + ahead < s->size ? (unsigned char)s->text[s->here + ahead] : -1;
}

static void advance(struct scan *s)
{
    unsigned char byte = (unsigned char)s->text[s->here++];

    if (byte == '\n')
        s->at = (struct place){ s->at.line + 1, 1 };
    else if ((byte & 0xc0) != 0x80)
        s->at.column++;
}

static void advance_by(struct scan *s, size_t bytes)
{
    while (bytes--)
        advance(s);
}

const char *scan_word(const struct scan *s, char buffer[64])
{
    size_t length = s->token.end - s->token.start, most = 48;

    if (length > most) {
        while (most && (s->text[s->token.start + most] & 0xc0) == 0x80)
            most--;
        memcpy(buffer, s->text + s->token.start, most);
        strcpy(buffer + most, "…");
    } else {
        memcpy(buffer, s->text + s->token.start, length);
        buffer[length] = '\0';
    }
    return buffer;
}

/* ---- blanks ------------------------------------------------------------------ */

static bool skip_comment(struct scan *s)
{
    struct place begin = s->at;

    if (peek(s, 0) == '#' || (peek(s, 0) == '/' && peek(s, 1) == '/')) {
        while (peek(s, 0) >= 0 && peek(s, 0) != '\n')
            advance(s);
        return true;
    }
    if (peek(s, 0) != '/' || peek(s, 1) != '*')
        return false;
    advance_by(s, 2);
    while (peek(s, 0) >= 0 && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
        advance(s);
    if (peek(s, 0) < 0)
        report_end(s->report, s->file, begin, "/*",
                   "the comment that begins here is not closed: \"*/\" is missing");
    else
        advance_by(s, 2);
    return true;
}

static void skip_blanks(struct scan *s)
{
    for (;;) {
        int c = peek(s, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            advance(s);
        else if (!skip_comment(s))
            return;
    }
}

/* ---- tokens ------------------------------------------------------------------ */

static bool is_name_byte(int c)
{
    return c >= 0 && c < 0x80 && (isalnum(c) || c == '-' || c == '_' || c == '*');
}

static void take_string(struct scan *s)
{
    struct token *t = &s->token;

    t->kind = TOKEN_STRING;
    advance(s);
    while (peek(s, 0) != '"') {
        if (peek(s, 0) < 0 || peek(s, 0) == '\n') {
            t->kind = TOKEN_WRONG;
            report_end(s->report, s->file, t->at, "\"",
                       "the text that begins here is not closed: a second \" is missing in the "
                       "same line");
            return;
        }
        if (peek(s, 0) == '\\' && (peek(s, 1) == 'x' || peek(s, 1) == 'X') && peek(s, 2) == '0' &&
            peek(s, 3) == '0') {
            t->kind = TOKEN_WRONG;
            report_mistake(s->report, s->file, s->at, "\\x00",
                           "\"\\x00\" would end the text here: leave it out");
            return;
        }
        if (peek(s, 0) == '\\' && peek(s, 1) >= 0 && peek(s, 1) != '\n')
            advance(s);
        advance(s);
    }
    advance(s);
}

static void judge_integer(struct token *t, const char *word)
{
    size_t length = strlen(word);
    char *end;

    errno = 0;
    long long value = strtoll(word, &end, word[0] == '0' && (word[1] | 32) == 'x' ? 16 : 10);
    bool overflow = errno == ERANGE;
    t->is_bare_int = word[length - 1] != 'L';
    t->wraps = overflow || (t->is_bare_int && (value > INT_MAX || value < INT_MIN));
}

/* integer: [-+]?[0-9]+L?L?   hexadecimal: 0x…L?L?   float: with a point or an exponent */
static bool is_integer(const char *word)
{
    bool hex = word[0] == '0' && (word[1] | 32) == 'x';
    const char *digits = word + (hex ? 2 : *word == '-' || *word == '+');
    size_t length = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    const char *tail = digits + length;

    return length && (!*tail || !strcmp(tail, "L") || !strcmp(tail, "LL"));
}

static bool is_float(const char *word)
{
    const char *c = word + (*word == '-' || *word == '+');
    size_t before = strspn(c, "0123456789"), after = 0;
    bool point = c[before] == '.';

    c += before;
    if (point) {
        c++;
        after = strspn(c, "0123456789");
        c += after;
    }
    if (*c == 'e' || *c == 'E') {
        c += 1 + (c[1] == '-' || c[1] == '+');
        size_t exponent = strspn(c, "0123456789");
        return before + after && exponent && !c[exponent];
    }
    return point && before + after && !*c;
}

static void take_number(struct scan *s)
{
    struct token *t = &s->token;
    char word[64];

    while (is_name_byte(peek(s, 0)) || peek(s, 0) == '.' || peek(s, 0) == '+')
        advance(s);
    if (peek(s, 0) == '%')
        advance(s);
    t->end = s->here;
    scan_word(s, word);
    t->kind = TOKEN_NUMBER;
    if (is_integer(word)) {
        judge_integer(t, word);
    } else if (!is_float(word)) {
        t->kind = TOKEN_WRONG;
        if (word[strcspn(word, "0123456789")])
            report_mistake(s->report, s->file, t->at, word,
                           "\"%s\" is no number: write a number with a unit, or text, in quotes: "
                           "\"%s\"",
                           word, word);
        else
            report_mistake(s->report, s->file, t->at, word, "\"%s\" has no meaning here", word);
    }
}

static void take_name(struct scan *s)
{
    struct token *t = &s->token;
    char word[64];

    while (is_name_byte(peek(s, 0)))
        advance(s);
    t->end = s->here;
    scan_word(s, word);
    t->kind = !strcasecmp(word, "true") || !strcasecmp(word, "false") ? TOKEN_BOOL : TOKEN_NAME;
}

static void take_stranger(struct scan *s)
{
    struct token *t = &s->token;
    char word[64];

    t->kind = TOKEN_WRONG;
    do
        advance(s);
    while (s->here < s->size && (s->text[s->here] & 0xc0) == 0x80);
    while (is_name_byte(peek(s, 0)))
        advance(s);
    t->end = s->here;
    scan_word(s, word);
    if (!strcmp(word, "@include"))
        report_mistake(s->report, s->file, t->at, word,
                       "\"@include\" is not followed, because files and lines get lost in it: use "
                       "include_exports = \"FOLDER\" and include_policies = \"FOLDER\"");
    else if (*word == '\'')
        report_mistake(s->report, s->file, t->at, word, "text is written in \"double\" quotes");
    else
        report_mistake(s->report, s->file, t->at, word, "\"%s\" has no meaning here", word);
}

void scan_next(struct scan *s)
{
    s->last_end = s->token.end;
    skip_blanks(s);
    s->token = (struct token){ .at = s->at, .start = s->here };
    int c = peek(s, 0);
    if (c < 0) {
        s->token.kind = TOKEN_END;
    } else if (c == '"') {
        take_string(s);
    } else if (isdigit(c) || c == '.' || c == '-' || c == '+') {
        take_number(s);
    } else if (c < 0x80 && (isalpha(c) || c == '*')) {
        take_name(s);
    } else if (strchr("=:,;()[]{}", c)) {
        s->token.kind = TOKEN_MARK;
        s->token.mark = (char)c;
        advance(s);
    } else {
        take_stranger(s);
    }
    s->token.end = s->here;
}
