/* trust.c - which filters may be loaded?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The loader asks before it gives a file to the dynamic linker, which runs the constructors in
 * it.  What is judged is the loader's private copy, by a manifest that is read once, too. */
#include "trust.h"

#include "../loader.h"
#include "../scope.h"
#include "../text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the gateway, or weirctl, goes by. */
static struct {
    pthread_mutex_t lock; /* all of this; innermost */
    struct trust now;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local const struct trust *tried;

/* ---- what lies beside it ------------------------------------------------------- */

static int load_beside(const char *path, const char *name, size_t most, char **data, size_t *size)
{
    cleanup_free char *beside = NULL;
    void *bytes = NULL;

    if (asprintf(&beside, "%.*s/%s", (int)(strrchr(path, '/') - path), path, name) < 0) {
        beside = NULL;
        return -ENOMEM;
    }
    int r = read_whole(beside, most, &bytes, size);
    *data = bytes;
    return r;
}

static int judge_digest(const struct manifest *m, const char *name, const char *path,
                        const void *bytes, size_t size, struct weir_text *why)
{
    const struct manifest_file *f = manifest_object(m);
    uint8_t digest[DIGEST_SIZE];

    if (strcmp(m->name, name)) {
        weir_print(why, "%s: the manifest beside it is that of filter \"%s\"", path, m->name);
        return -EKEYREJECTED;
    }
    package_digest(bytes, size, digest);
    if (f->size == size && memcmp(f->digest, digest, DIGEST_SIZE) == 0)
        return 0;
    weir_print(why,
               "%s does not match its manifest any more: it was changed since it was installed; "
               "install it again",
               path);
    return -EKEYREJECTED;
}

static int judge_signature(const struct trust *t, const char *path, const char *text, size_t size,
                           char **signer, struct weir_text *why)
{
    cleanup_text struct weir_text reason = { 0 };
    cleanup_free char *signature = NULL;
    size_t signature_size = 0;

    int r = load_beside(path, SIGNATURE_NAME, SIGNATURE_MOST, &signature, &signature_size);
    if (r && r != -ENOENT)
        weir_print(&reason, "its signature cannot be read: %s", strerror(-r));
    else
        r = signature_check(t->keys, text, size, signature, signature_size, signer, &reason);
    if (r && t->required)
        weir_print(why, "%s is refused, for require_signed is set: %s", path, text_string(&reason));
    return t->required ? r : 0;
}

int trust_judge(const struct trust *t, const char *name, const char *path, const void *bytes,
                size_t size, char **signer, struct weir_text *why)
{
    cleanup_manifest struct manifest m = { 0 };
    cleanup_free char *text = NULL;
    size_t text_size = 0;

    if (signer)
        *signer = NULL;
    int r = load_beside(path, MANIFEST_NAME, MANIFEST_MOST, &text, &text_size);
    if (r == -ENOENT && !t->required)
        return 0;
    if (r == -ENOENT) {
        weir_print(why,
                   "%s is refused, for require_signed is set and it is of no package: \"weirctl "
                   "filter pack --key\" makes one of it, and \"filter upgrade\" installs that",
                   path);
        return -EKEYREJECTED;
    }
    if (r) {
        weir_print(why, "the manifest beside %s cannot be read: %s", path, strerror(-r));
        return r;
    }
    r = judge_signature(t, path, text, text_size, signer, why);
    if (!r)
        r = manifest_parse(text, text_size, &m, why);
    return r ? r : judge_digest(&m, name, path, bytes, size, why);
}

/* ---- the loader's guard -------------------------------------------------------- */

/* A copy, so that no I/O happens under the lock.  `keys` is the caller's to free. */
static int get(struct trust *ret)
{
    hold_lock(&all.lock);
    const struct trust *now = tried ? tried : &all.now;

    *ret = (struct trust){ now->required, strdup(now->keys ? now->keys : "") };
    return ret->keys ? 0 : -ENOMEM;
}

static int admit(const char *name, const char *path, const void *bytes, size_t size,
                 struct weir_text *why)
{
    struct trust t;
    int r = get(&t);

    /* a damaged package that nobody demands is served, and told as drift */
    if (!r && t.required)
        r = trust_judge(&t, name, path, bytes, size, NULL, why);
    free(t.keys);
    return r;
}

static int vouch(const char *name, const char *path, const void *bytes, size_t size,
                 struct weir_text *why)
{
    struct trust t;
    int r = get(&t);

    if (!r)
        r = trust_judge(&t, name, path, bytes, size, NULL, why);
    free(t.keys);
    return r;
}

static uint64_t stamp(void)
{
    struct trust t;

    if (get(&t))
        return 0;
    uint64_t stamp = t.required ? 1 + signature_stamp(t.keys) : 0;
    free(t.keys);
    return stamp;
}

static const struct loader_guard guard = { admit, vouch, stamp };

int trust_set(const struct trust *t)
{
    char *keys = strdup(t->keys ? t->keys : "");

    if (!keys)
        return -ENOMEM;
    pthread_mutex_lock(&all.lock);
    char *old = all.now.keys;
    all.now = (struct trust){ t->required, keys };
    pthread_mutex_unlock(&all.lock);
    free(old);
    loader_guard(&guard);
    return 0;
}

void trust_try(const struct trust *t)
{
    tried = t;
    if (t)
        loader_guard(&guard);
}
