/* provider-exec.c - exec:COMMAND: which command gives the key?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The hook for key management services.  No shell: words are split at blanks, nothing is
 * quoted or replaced, so that what a disk is called can never become a command; who needs a
 * shell names a script.  All that the command writes is the key, a newline too. */
#include "provider.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 64 };

static int check(const char *word, char why[HEADER_WHY])
{
    size_t words = 0;

    if (word[0] != '/')
        return key_refuse(why, EINVAL,
                          "\"exec:%s\": expected the absolute path of a command and its "
                          "arguments, split at blanks: no shell reads them",
                          word);
    for (const char *c = word; *c; c++)
        words += *c != ' ' && (c == word || c[-1] == ' ');
    if (words > WORDS_MAX)
        return key_refuse(why, EINVAL, "\"exec:…\" has %zu words: at most %d; write a script",
                          words, WORDS_MAX);
    return 0;
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    /* a folder of files; the gateway's unit may load what the command needs to log in */
    static const char *const pass[] = { "CREDENTIALS_DIRECTORY", NULL };
    char *words[WORDS_MAX + 1], *copy = strdup(request->word), *rest = copy, *word;
    size_t n = 0;

    if (!copy)
        return key_refuse(why, ENOMEM, "no memory");
    while (n < WORDS_MAX && (word = strsep(&rest, " ")))
        if (*word)
            words[n++] = word;
    words[n] = NULL;
    struct command command = {
        .name = "exec",
        .words = words,
        .pass = pass,
        .export = request->export,
        .uuid = request->uuid,
        .patience = request->patience,
        .stop = request->stop,
    };
    int r = command_run(&command, key, why);
    free(copy);
    return r;
}

const struct key_provider provider_exec = {
    .name = "exec",
    .summary = "COMMAND: what a command writes to its standard output.",
    .check = check,
    .get = get,
};
