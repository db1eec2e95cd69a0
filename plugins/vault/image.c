/* image.c - what does an export on a vault name?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "image.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char log_word[] = "log:", changes_word[] = "changes:";

/* "+02:00", which belongs to a time. */
static bool is_zone(const char *text)
{
    static const char pattern[] = "+00:00";

    for (size_t i = 0; i < sizeof pattern - 1; i++)
        if (pattern[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != pattern[i])
            return false;
    return !text[6];
}

static void read_point(char *text, struct image *ret)
{
    char *since = NULL, *plus;

    if (strncmp(text, changes_word, strlen(changes_word)) == 0) {
        ret->point = "latest";
        ret->since = text + strlen(changes_word);
        return;
    }
    if ((since = strstr(text, ",changes:"))) {
        *since = 0;
        ret->since = since + 1 + strlen(changes_word);
    }
    plus = strrchr(text, '+');
    if (plus && !is_zone(plus)) {
        *plus = 0;
        ret->writable = true;
    }
    ret->point = text;
}

int image_read(const char *text, struct image *ret, struct weir_text *why)
{
    char *words = strdup(text), *at, *slash;

    if (!words)
        return -ENOMEM;
    *ret = (struct image){ .words = words, .group = words };
    if (strncmp(words, log_word, strlen(log_word)) == 0) {
        ret->group = words + strlen(log_word);
    } else {
        ret->kind = IMAGE_HEAD;
        if ((at = strchr(words, '@'))) {
            *at = 0;
            ret->kind = IMAGE_VIEW;
            read_point(at + 1, ret);
        }
        if ((slash = strchr(words, '/'))) {
            *slash = 0;
            ret->disk = slash + 1;
        }
    }
    if (*ret->group && (!ret->disk || *ret->disk) && (!ret->since || *ret->since) &&
        (!ret->point || *ret->point))
        return 0;
    weir_print(why,
               "\"%s\" names nothing in a vault: write log:GROUP, GROUP/DISK, GROUP/DISK@POINT or "
               "GROUP/DISK@POINT+WORD, with ,changes:POINT behind a point",
               text);
    image_finish(ret);
    return -EINVAL;
}

void image_finish(struct image *image)
{
    free(image->words);
    *image = (struct image){ 0 };
}
