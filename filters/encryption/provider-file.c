/* provider-file.c - file:PATH: which bytes are the key?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All of the file, a newline at its end too: what cryptsetup's --key-file takes. */
#include "provider.h"

#include <errno.h>

static int check(const char *word, char why[HEADER_WHY])
{
    if (word[0] != '/')
        return key_refuse(
            why, EINVAL, "\"file:%s\": expected an absolute path, as file:/etc/weir/vm1.key", word);
    return 0;
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    return key_read_file(request->word, false, key, why);
}

const struct key_provider provider_file = {
    .name = "file",
    .summary = "PATH: all bytes of a file that only its owner may read.",
    .check = check,
    .get = get,
};
