/* provider-credential.c - credential:NAME: where does systemd put what it was told to load?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * LoadCredential=, LoadCredentialEncrypted= and SetCredentialEncrypted= of the gateway's
 * unit; the folder is in memory and only the unit's user gets into it. */
#include "provider.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As systemd's credential_name_valid(): a file name, and short enough for one. */
static int check(const char *word, char why[HEADER_WHY])
{
    if (!word[0] || !strcmp(word, ".") || !strcmp(word, "..") || strchr(word, '/') ||
        strlen(word) > 255)
        return key_refuse(why, EINVAL,
                          "\"credential:%.255s\": expected the name of a credential, one word "
                          "without a slash, as in LoadCredential=NAME:PATH",
                          word);
    return 0;
}

/* A file in it may have the bits of an ACL's mask, so the folder is looked at instead. */
static int check_folder(const char *folder, char why[HEADER_WHY])
{
    struct stat st;

    if (stat(folder, &st))
        return key_refuse(why, errno,
                          "the folder of credentials, CREDENTIALS_DIRECTORY=\"%s\", cannot be "
                          "looked at: %s",
                          folder, strerror(errno));
    if (st.st_mode & S_IRWXO)
        return key_refuse(why, EACCES,
                          "the folder of credentials, CREDENTIALS_DIRECTORY=\"%s\", has mode %04o: "
                          "only systemd should set this variable, and others have no business "
                          "there: chmod 500 it",
                          folder, (unsigned)(st.st_mode & 07777));
    return 0;
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
    char *path = NULL;

    if (!folder || folder[0] != '/')
        return key_refuse(why, ENOENT,
                          "\"credential:%s\": the gateway was not started with credentials: add "
                          "LoadCredential=%s:PATH to its systemd unit and restart it",
                          request->word, request->word);
    int r = check_folder(folder, why);
    if (r)
        return r;
    if (asprintf(&path, "%s/%s", folder, request->word) < 0)
        return key_refuse(why, ENOMEM, "no memory");
    r = key_read_file(path, true, key, why);
    if (r == -ENOENT)
        key_refuse(why, ENOENT,
                   "\"credential:%s\": the gateway's unit has no credential of that name: add "
                   "LoadCredential=%s:PATH to it and restart it",
                   request->word, request->word);
    free(path);
    return r;
}

const struct key_provider provider_credential = {
    .name = "credential",
    .summary = "NAME: a credential that systemd gave the gateway.",
    .check = check,
    .get = get,
};
