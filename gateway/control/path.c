/* path.c - how does any name fit into one part of a path?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a file name cannot hold is written as %XX: `/`, control characters, `%` itself,
 * bytes that are no UTF-8 and the first dot of "." and "..".  There is one spelling of a name:
 * others are not found. */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(const char *name, size_t at)
{
    unsigned char c = (unsigned char)name[at];

    if (at == 0 && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        return false;
    return c >= ' ' && c != 0x7f && c != '/' && c != '%';
}

void path_encode(const char *name, struct weir_text *text)
{
    size_t size = strlen(name);

    /* the default export may have no name, a file needs one */
    if (!size)
        weir_print(text, "%%");
    for (size_t i = 0; i < size;) {
        size_t length = is_plain(name, i) ? utf8_length(name + i, size - i) : 0;
        if (length)
            text_append(text, name + i, length);
        else
            weir_print(text, "%%%02X", (unsigned char)name[i]);
        i += length ? length : 1;
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int path_decode(const char *part, size_t size, char **name)
{
    char *decoded = malloc(size + 1);
    size_t length = 0;

    if (!decoded)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        int high = i + 2 < size ? hex(part[i + 1]) : -1;
        int low = i + 2 < size ? hex(part[i + 2]) : -1;
        char c = part[i];
        if (c == '%' && high >= 0 && low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        decoded[length++] = c;
    }
    decoded[length] = '\0';
    if (size == 1 && *part == '%')
        decoded[0] = '\0'; /* the nameless one */

    struct weir_text again = { 0 };
    path_encode(decoded, &again);
    bool same = again.length == size && memcmp(again.text, part, size) == 0;
    int error = again.cut ? -ENOMEM : same ? 0 : -ENOENT;
    text_finish(&again);
    if (error)
        free(decoded);
    else
        *name = decoded;
    return error;
}
