/* provider-keyring.c - keyring:[TYPE:]DESCRIPTION: which key of the kernel?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Looked for in the keyrings of thread, process and session, and in the user's.  By system
 * calls: libkeyutils would add nothing to four of them. */
#include "provider.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *type, *why_not;
} types[] = {
    { "user", NULL },
    { "big_key", NULL },
    { "logon", "no program can read it" },
    { "keyring", "it holds keys and is none" },
    { "encrypted", "what is read from it is its cipher text" },
    { "trusted", "what is read from it is its cipher text" },
    { "asymmetric", "no program can read it" },
};

/* ---- the word ----------------------------------------------------------------- */

/* Descriptions have colons, as "weir:vm1", so a first part is a type only if it is one. */
static int parse(const char *word, const char **type, const char **description,
                 char why[HEADER_WHY])
{
    size_t length = strcspn(word, ":");

    *type = "user";
    *description = word;
    for (size_t i = 0; word[length] && i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].type) != length || memcmp(types[i].type, word, length))
            continue;
        if (types[i].why_not)
            return key_refuse(why, EINVAL,
                              "\"keyring:%s\": a key of type %s cannot be used because %s: "
                              "expected one of type user or big_key",
                              word, types[i].type, types[i].why_not);
        *type = types[i].type;
        *description = word + length + 1;
    }
    if (!**description)
        return key_refuse(why, EINVAL,
                          "\"keyring:%s\": expected the description of a key, as keyring:weir:vm1 "
                          "after keyctl padd user weir:vm1 @u",
                          word);
    return 0;
}

static int check(const char *word, char why[HEADER_WHY])
{
    const char *type, *description;

    return parse(word, &type, &description, why);
}

/* ---- the key ------------------------------------------------------------------ */

static int read_key(long id, struct secret *key)
{
    long size = syscall(SYS_keyctl, KEYCTL_READ, id, NULL, 0);

    for (int turn = 0; size >= 0 && turn < 8; turn++) { /* it may be updated between the two */
        long room = size;
        if (!size)
            return -ENODATA;
        uint8_t *data = secret_alloc((size_t)room);
        if (!data)
            return -ENOMEM;
        size = syscall(SYS_keyctl, KEYCTL_READ, id, data, room);
        if (size > 0 && size <= room) {
            *key = (struct secret){ .data = data, .size = (size_t)size };
            return 0;
        }
        secret_free(data);
    }
    return size < 0 ? -errno : -EAGAIN;
}

/* A key may be read by who possesses it: who has it in his own keyrings.  A service's session does
 * not hold the user's keyring (systemd: KeyringMode=private), so the thread does for a moment. */
static int find_and_read(const char *type, const char *description, struct secret *key)
{
    bool linked = !syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_THREAD_KEYRING);
    long id = syscall(SYS_request_key, type, description, NULL, 0);
    int r = id < 0 ? -errno : read_key(id, key);

    if (linked)
        syscall(SYS_keyctl, KEYCTL_UNLINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_THREAD_KEYRING);
    return r;
}

int keyring_read(const char *type, const char *description, struct secret *key,
                 char why[HEADER_WHY])
{
    int r = find_and_read(type, description, key);

    switch (r) {
    case 0:
        return 0;
    case -ENOKEY:
        return key_refuse(why, ENOENT,
                          "the kernel has no key \"%s\" of type %s in the keyrings of the gateway "
                          "or its user: keyctl padd %s \"%s\" @u, as that user",
                          description, type, type, description);
    case -EKEYEXPIRED:
        return key_refuse(why, ENOENT,
                          "the kernel's key \"%s\" of type %s has expired: add it again",
                          description, type);
    case -EKEYREVOKED:
        return key_refuse(why, ENOENT,
                          "the kernel's key \"%s\" of type %s was revoked: add it again",
                          description, type);
    case -EACCES:
        return key_refuse(why, EACCES,
                          "the gateway may not read the kernel's key \"%s\" of type %s: keyctl "
                          "setperm it so that its possessor can find and read it",
                          description, type);
    case -ENODATA:
        return key_refuse(why, ENODATA, "the kernel's key \"%s\" of type %s is empty", description,
                          type);
    case -ENOSYS:
    case -EPERM:
        return key_refuse(why, ENOTSUP,
                          "the kernel refuses keyrings to the gateway (%s): allow keyctl and "
                          "request_key, in systemd by SystemCallFilter=@keyring",
                          strerror(-r));
    default:
        return key_refuse(why, -r, "the kernel's key \"%s\" of type %s cannot be read: %s",
                          description, type, strerror(-r));
    }
}

static int get(const struct key_request *request, struct secret *key, char why[HEADER_WHY])
{
    const char *type, *description;
    int r = parse(request->word, &type, &description, why);

    return r ? r : keyring_read(type, description, key, why);
}

const struct key_provider provider_keyring = {
    .name = "keyring",
    .summary = "[TYPE:]DESCRIPTION: a key of the kernel's keyrings, \"user\" if no type is said.",
    .check = check,
    .get = get,
};
