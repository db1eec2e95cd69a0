/* text.c - where do sentences for people and answers for programs grow?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_room(struct weir_text *t, size_t more)
{
    size_t need = t->length + more + 1;

    if (need <= t->capacity)
        return true;
    size_t capacity = t->capacity ? t->capacity : 128;
    while (capacity < need)
        capacity *= 2;
    char *bigger = realloc(t->text, capacity);
    if (!bigger) {
        t->cut = true;
        return false;
    }
    t->text = bigger;
    t->capacity = capacity;
    return true;
}

void text_append(struct weir_text *t, const void *bytes, size_t size)
{
    if (!t || !text_room(t, size))
        return;
    memcpy(t->text + t->length, bytes, size);
    t->length += size;
    t->text[t->length] = '\0';
}

void weir_print(struct weir_text *t, const char *format, ...)
{
    va_list arguments;

    if (!t)
        return;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !text_room(t, (size_t)size))
        return;
    va_start(arguments, format);
    vsnprintf(t->text + t->length, (size_t)size + 1, format, arguments);
    va_end(arguments);
    t->length += (size_t)size;
}

/* What a terminal or a reader of lines would obey becomes \xNN; what is in `marked` gets a \. */
static void print_escaped(struct weir_text *t, const char *s, const char *marked)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
        if (strchr(marked, c))
            weir_print(t, "\\%c", c);
        else if (c == '\n')
            text_append(t, "\\n", 2);
        else if (c < 0x20 || c == 0x7f)
            weir_print(t, "\\x%02x", c);
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) /* U+0080 to U+009F */
            weir_print(t, "\\x%02x\\x%02x", c, (unsigned char)*++s);
        else
            text_append(t, s, 1);
    }
}

void text_line(struct weir_text *t, const char *s)
{
    print_escaped(t, s, "");
}

void text_quote(struct weir_text *t, const char *s)
{
    text_append(t, "\"", 1);
    print_escaped(t, s, "\"\\");
    text_append(t, "\"", 1);
}

const char *text_string(const struct weir_text *t)
{
    return t->text ? t->text : "";
}

char *text_take(struct weir_text *t)
{
    char *text = t->text ? t->text : strdup("");

    *t = (struct weir_text){ 0 };
    return text;
}

void text_clear(struct weir_text *t)
{
    t->length = 0;
    t->cut = false;
    if (t->text)
        t->text[0] = '\0';
}

void text_finish(struct weir_text *t)
{
    free(t->text);
    *t = (struct weir_text){ 0 };
}

uint64_t text_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}
