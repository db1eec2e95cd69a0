/* tls.c - does the server in front of us insist on TLS?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit tells its plugins of a connection whether it has TLS, and before there is one nothing. Its
 * command line says it, as --tls=require or --tls require. */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

bool tls_is_required(void)
{
    static const char option[] = "--tls";
    cleanup_free char *word = NULL;
    FILE *line = fopen("/proc/self/cmdline", "re");
    bool required = false, asked = false;
    size_t room = 0;

    while (line && getdelim(&word, &room, '\0', line) > 0) {
        const char *value = asked ? word : NULL;
        asked = strcmp(word, option) == 0;
        if (strncmp(word, option, strlen(option)) == 0 && word[strlen(option)] == '=')
            value = word + strlen(option) + 1;
        if (value)
            required = strcmp(value, "require") == 0;
    }
    if (line)
        fclose(line);
    return required;
}
