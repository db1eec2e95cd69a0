/* json-out.c - how is an answer written without building it in memory twice?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "json-out.h"

#include <inttypes.h>
#include <string.h>

static void put_char(struct json_out *out, char c)
{
    text_append(&out->text, &c, 1);
}

static void put_quoted(struct json_out *out, const char *bytes, size_t size, bool exact)
{
    static const char instead[] = "\xef\xbf\xbd"; /* U+FFFD */

    put_char(out, '"');
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t plain = i;
        while (plain < size && (unsigned char)bytes[plain] >= ' ' && bytes[plain] != '"' &&
               bytes[plain] != '\\' && (unsigned char)bytes[plain] < 0x80)
            plain++;
        if (plain > i) {
            text_append(&out->text, bytes + i, plain - i);
            i = plain;
        } else if (c >= 0x80) {
            size_t length = exact ? 1 : utf8_length(bytes + i, size - i);
            if (length)
                text_append(&out->text, bytes + i, length);
            else
                text_append(&out->text, instead, sizeof(instead) - 1);
            i += length ? length : 1;
        } else {
            if (c == '"' || c == '\\')
                weir_print(&out->text, "\\%c", c);
            else if (c == '\n')
                text_append(&out->text, "\\n", 2);
            else
                weir_print(&out->text, "\\u%04x", c);
            i++;
        }
    }
    put_char(out, '"');
}

static void put_key(struct json_out *out, const char *key)
{
    if (out->comma)
        put_char(out, ',');
    out->comma = true;
    if (key) {
        put_quoted(out, key, strlen(key), false);
        put_char(out, ':');
    }
}

void out_open(struct json_out *out, const char *key, char bracket)
{
    put_key(out, key);
    put_char(out, bracket);
    out->comma = false;
}

void out_close(struct json_out *out, char bracket)
{
    put_char(out, bracket);
    out->comma = true;
}

void out_number(struct json_out *out, const char *key, uint64_t number)
{
    put_key(out, key);
    weir_print(&out->text, "%" PRIu64, number);
}

void out_bool(struct json_out *out, const char *key, bool value)
{
    put_key(out, key);
    weir_print(&out->text, value ? "true" : "false");
}

void out_text(struct json_out *out, const char *key, const char *text)
{
    put_key(out, key);
    put_quoted(out, text ? text : "", text ? strlen(text) : 0, false);
}

void out_bytes(struct json_out *out, const char *key, const char *bytes, size_t size)
{
    put_key(out, key);
    put_quoted(out, bytes, size, true);
}

void out_list(struct json_out *out, const char *key, char *const *words)
{
    out_open(out, key, '[');
    for (size_t i = 0; words && words[i]; i++)
        out_text(out, NULL, words[i]);
    out_close(out, ']');
}

size_t utf8_length(const char *text, size_t size)
{
    const unsigned char *c = (const unsigned char *)text;
    uint32_t point, least;
    size_t length;

    if (!size)
        return 0;
    if (c[0] < 0x80)
        return 1;
    if ((c[0] & 0xe0) == 0xc0) {
        length = 2, least = 0x80, point = c[0] & 0x1f;
    } else if ((c[0] & 0xf0) == 0xe0) {
        length = 3, least = 0x800, point = c[0] & 0x0f;
    } else if ((c[0] & 0xf8) == 0xf0) {
        length = 4, least = 0x10000, point = c[0] & 0x07;
    } else {
        return 0;
    }
    if (size < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (c[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least || point > 0x10ffff || surrogate ? 0 : length;
}
