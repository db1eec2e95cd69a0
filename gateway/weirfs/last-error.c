/* last-error.c - what was the sentence that a tool could not show?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One for the process: a mount has one `last_error`. */
static struct {
    pthread_mutex_t lock; /* both; nothing is taken under it */
    char *path, *text;
} last = { .lock = PTHREAD_MUTEX_INITIALIZER };

void last_error_set(const char *path, const char *sentence)
{
    char *copy = strdup(path), *text = NULL;
    /* mistakes in a text come as "PATH:LINE:COLUMN: error: …" */
    bool named = strncmp(sentence, path, strlen(path)) == 0;

    if (asprintf(&text, "%s%s%s\n", named ? "" : path, named ? "" : ": ", sentence) < 0)
        text = NULL;
    hold_lock(&last.lock);
    free(last.path);
    free(last.text);
    last.path = copy;
    last.text = text;
}

void last_error_clear(const char *path)
{
    hold_lock(&last.lock);

    if (!last.path || strcmp(last.path, path) != 0)
        return;
    free(steal(last.path));
    free(steal(last.text));
}

int last_error_read(char **text, size_t *size)
{
    hold_lock(&last.lock);

    *text = strdup(last.text ? last.text : "");
    if (!*text)
        return -ENOMEM;
    *size = strlen(*text);
    return 0;
}

void last_error_finish(void)
{
    hold_lock(&last.lock);

    free(steal(last.path));
    free(steal(last.text));
}
