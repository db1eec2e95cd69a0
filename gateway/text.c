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
