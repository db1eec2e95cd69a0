/* report.c - how does reading a configuration collect mistakes, as many as it can in one pass?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"
#include "../scope.h"
#include "../text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mistake_finish(struct mistake *m)
{
    free(m->file);
    free(m->word);
    free(m->sentence);
}

void mistakes_finish(struct mistakes *m)
{
    for (size_t i = 0; i < m->count; i++)
        mistake_finish(&m->list[i]);
    free(m->list);
    *m = (struct mistakes){ 0 };
}

void mistakes_print(const struct mistakes *mistakes, struct weir_text *text)
{
    for (size_t i = 0; i < mistakes->count; i++) {
        const struct mistake *m = &mistakes->list[i];
        if (m->line)
            weir_print(text, "%s:%u:%u: error: %s\n", m->file, m->line, m->column, m->sentence);
        else
            weir_print(text, "%s: error: %s\n", m->file, m->sentence);
    }
}

/* A policy that many exports name is read once for each: its mistakes are told once. */
static bool told_already(const struct mistakes *all, const struct mistake *new)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct mistake *m = &all->list[i];
        if (m->line == new->line && m->column == new->column && !strcmp(m->file, new->file) &&
            !strcmp(m->sentence, new->sentence))
            return true;
    }
    return false;
}

static void keep(struct report *report, struct mistake *new)
{
    struct mistakes *all = report->mistakes;

    if (!all || !new->file || !new->word || !new->sentence) {
        if (all)
            report_memory(report);
        mistake_finish(new);
        return;
    }
    if (all->count >= MISTAKES_MAX || told_already(all, new)) {
        mistake_finish(new);
        return;
    }
    struct mistake *more = realloc(all->list, (all->count + 1) * sizeof *more);
    if (!more) {
        report_memory(report);
        mistake_finish(new);
        return;
    }
    all->list = more;
    all->list[all->count++] = *new;
}

enum { WORD_MAX = 120, WORD_ENDS = 48 }; /* bytes of one word in a sentence */

/* Where the next character begins.  What is no UTF-8 may have no beginning: a character has at most
 * three bytes more than its first. */
static char *next_character(char *at)
{
    for (int more = 0; more < 3 && ((unsigned char)*at & 0xc0) == 0x80; more++)
        at++;
    return at;
}

/* A word that fills the screen hides the sentence that quotes it: its middle goes. */
static void shorten_words(char *sentence)
{
    for (char *word = sentence; *word;) {
        size_t length = strcspn(word, " ");
        if (length > WORD_MAX) {
            char *from = next_character(word + WORD_ENDS);
            const char *to = next_character(word + length - WORD_ENDS);
            memcpy(from, "\u2026", 3);
            memmove(from + 3, to, strlen(to) + 1);
            word = from + 3;
        }
        word += strcspn(word, " ");
        word += strspn(word, " ");
    }
}

/* It quotes what somebody wrote, and is printed on the terminal of somebody else. */
static char *one_line(const char *text)
{
    struct weir_text line = { 0 };

    text_line(&line, text);
    if (!line.cut)
        return text_take(&line);
    text_finish(&line);
    return NULL;
}

static void WEIR_PRINTF(7, 0)
    report_va(struct report *report, int err, const char *file, struct place place,
              const char *word, bool at_end, const char *format, va_list arguments)
{
    struct mistake new = { .line = place.line, .column = place.column, .at_end = at_end };

    if (!report->err)
        report->err = err;
    if (!report->mistakes)
        return;
    cleanup_free char *sentence = NULL;
    if (vasprintf(&sentence, format, arguments) < 0)
        sentence = NULL;
    new.file = strdup(file);
    new.word = one_line(word ? word : "");
    new.sentence = sentence ? one_line(sentence) : NULL;
    if (new.sentence)
        shorten_words(new.sentence);
    keep(report, &new);
}

void report_mistake(struct report *report, const char *file, struct place place, const char *word,
                    const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_va(report, -EINVAL, file, place, word, false, format, arguments);
    va_end(arguments);
}

void report_end(struct report *report, const char *file, struct place place, const char *word,
                const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_va(report, -EINVAL, file, place, word, true, format, arguments);
    va_end(arguments);
}

void report_file(struct report *report, int err, const char *file, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report_va(report, err, file, (struct place){ 0 }, "", false, format, arguments);
    va_end(arguments);
}

void report_memory(struct report *report)
{
    report->err = -ENOMEM;
}
