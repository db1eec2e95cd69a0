/* store-nbd-target.c - what do `uri`, `command` and an export's image mean together?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-nbd.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "text.h"

static const char mark[] = "{image}";

bool target_names_image(const char *text)
{
    return strstr(text, mark) != NULL;
}

static void put_encoded(struct weir_text *t, const char *image)
{
    for (const unsigned char *c = (const unsigned char *)image; *c; c++)
        if (isalnum(*c) || strchr("-._~/@+,", *c))
            weir_print(t, "%c", *c);
        else
            weir_print(t, "%%%02X", *c);
}

/* Copies `size` bytes of `from` with every {image} replaced. */
static void put_replaced(struct weir_text *t, const char *from, size_t size, const char *image,
                         bool encode)
{
    const char *end = from + size;

    while (from < end) {
        const char *next = memmem(from, (size_t)(end - from), mark, strlen(mark));
        text_append(t, from, (size_t)((next ? next : end) - from));
        if (!next)
            break;
        if (encode)
            put_encoded(t, image);
        else
            weir_print(t, "%s", image);
        from = next + strlen(mark);
    }
}

static int taken(struct weir_text *t, char **ret)
{
    if (t->cut)
        return -ENOMEM;
    *ret = text_take(t);
    return *ret ? 0 : -ENOMEM;
}

static int needs_image(const char *image, const char *what, struct weir_text *why)
{
    if (*image)
        return 0;
    weir_print(why, "the datastore's %s says {image}: give the export an image = \"NAME\"", what);
    return -EINVAL;
}

int target_uri(const char *uri, const char *image, char **ret, struct weir_text *why)
{
    cleanup_text struct weir_text t = { 0 };
    const char *authority = strstr(uri, "://");

    if (!authority) {
        weir_print(why, "uri \"%s\" does not begin like nbd://, nbds:// or nbd+unix://", uri);
        return -EINVAL;
    }
    if (target_names_image(uri)) {
        int r = needs_image(image, "uri", why);
        if (r < 0)
            return r;
        put_replaced(&t, uri, strlen(uri), image, true);
        return taken(&t, ret);
    }
    const char *path = authority + 3 + strcspn(authority + 3, "/?");
    const char *query = path + strcspn(path, "?");
    if (!*image) {
        text_append(&t, uri, strlen(uri));
        return taken(&t, ret);
    }
    if (query - path > 1) {
        weir_print(why,
                   "uri \"%s\" names an export already, and image \"%s\" another: say {image} in "
                   "the uri, or leave one of them out",
                   uri, image);
        return -EINVAL;
    }
    text_append(&t, uri, (size_t)(path - uri));
    weir_print(&t, "/");
    put_encoded(&t, image);
    text_append(&t, query, strlen(query));
    return taken(&t, ret);
}

/* ---- commands ------------------------------------------------------------------------ */

void free_words(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static int add_word(char ***words, size_t *count, char *word)
{
    char **more = realloc(*words, (*count + 2) * sizeof *more);

    if (!more) {
        free(word);
        return -ENOMEM;
    }
    *words = more;
    more[(*count)++] = word;
    more[*count] = NULL;
    return 0;
}

/* One word from *at on; -EINVAL: a quote is not closed. */
static int take_word(const char **at, const char *image, char **ret)
{
    cleanup_text struct weir_text t = { 0 };
    const char *c = *at;

    while (*c && !isspace((unsigned char)*c)) {
        size_t plain = strcspn(c, "'\" \t\n\r\f\v");
        put_replaced(&t, c, plain, image, false);
        c += plain;
        if (*c == '\'' || *c == '"') {
            const char *close = strchr(c + 1, *c);
            if (!close)
                return -EINVAL;
            put_replaced(&t, c + 1, (size_t)(close - c - 1), image, false);
            c = close + 1;
        }
    }
    *at = c;
    return taken(&t, ret);
}

int target_words(const char *command, const char *image, char ***ret, struct weir_text *why)
{
    char **words = NULL;
    size_t count = 0;
    int r = target_names_image(command) ? needs_image(image, "command", why) : 0;

    for (const char *at = command; r == 0;) {
        char *word;
        at += strspn(at, " \t\n\r\f\v");
        if (!*at)
            break;
        r = take_word(&at, image, &word);
        if (r == 0)
            r = add_word(&words, &count, word);
        else if (r == -EINVAL)
            weir_print(why, "command \"%s\": a quote is not closed", command);
    }
    if (r == 0 && count == 0) {
        weir_print(why, "the datastore's command is empty");
        r = -EINVAL;
    }
    if (r < 0) {
        free_words(words);
        return r;
    }
    *ret = words;
    return 0;
}
