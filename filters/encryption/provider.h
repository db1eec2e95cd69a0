/* provider.h - what do the providers of keys share?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENCRYPTION_PROVIDER_H
#define ENCRYPTION_PROVIDER_H

#include "keys.h"

enum { KEY_SIZE_MAX = 8 << 20 }; /* bytes of a key file, as cryptsetup */

/* Writes the sentence and returns -error. */
int key_refuse(char why[HEADER_WHY], int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- key-read.c: from a descriptor into the region ---------------------------- */

struct key_intake {
    uint8_t *data;
    size_t size, room;
};

/* Reads once: 1: there may be more; 0: the end; -EFBIG: longer than KEY_SIZE_MAX; -ENOMEM: the
 * region is full; -EAGAIN or another -errno. */
int key_intake_read(struct key_intake *, int fd);
void key_intake_drop(struct key_intake *);
/* Gives the bytes over to `key`.  -ENODATA: there are none, and nothing is left. */
int key_intake_finish(struct key_intake *, struct secret *key);

/* The whole of a file that only its owner may read, or whom systemd guards: `guarded`.
 * `provider` and `what` are the words for the sentence. */
int key_read_file(const char *path, bool guarded, struct secret *key, char why[HEADER_WHY]);

/* ---- command.c ---------------------------------------------------------------- */

struct command {
    const char *name;        /* for sentences: "exec", "clevis" */
    char *const *words;      /* the first is an absolute path; ends with NULL */
    const char *input;       /* standard input, which must be no secret; NULL: none */
    const char *const *pass; /* variables of the gateway's environment that it gets; or NULL */
    const char *export, *uuid;
    uint64_t patience; /* ns */
    const int *stop;   /* it is ended when this can be read; or NULL */
};
/* The exit code of a command that must not be asked again by itself: EX_NOPERM of sysexits.h. */
enum { COMMAND_REJECTED = 77 };
/* Its standard output as a key. */
int command_run(const struct command *, struct secret *key, char why[HEADER_WHY]);

/* ---- of single providers ------------------------------------------------------ */

/* A key of the kernel that this process may read: 0 or the errors of key_provider.get. */
int keyring_read(const char *type, const char *description, struct secret *key,
                 char why[HEADER_WHY]);

/* What a token of type "clevis" holds, by `clevis decrypt`. */
struct json_object;
int clevis_open_token(const struct key_request *, int token, struct json_object *,
                      struct secret *key, char why[HEADER_WHY]);

/* What follows "token:" or "clevis:" is nothing or a number: *token is -1 or that. */
int token_parse(const char *word, int *token, char why[HEADER_WHY]);
/* The first key that one of the tokens of `type` (NULL: any) gives. */
int token_open(const struct key_request *, const char *type, struct secret *key,
               char why[HEADER_WHY]);
/* What a plugin of libcryptsetup for `type` makes of it. */
int plugin_open_token(const struct key_request *, int token, const char *type, struct json_object *,
                      struct secret *key, char why[HEADER_WHY]);

extern const struct key_provider provider_file, provider_credential, provider_keyring,
    provider_exec, provider_pkcs11, provider_token, provider_clevis;

#endif
