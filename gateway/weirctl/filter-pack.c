/* filter-pack.c - how does a filter become a package?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "installer.h"

/* ---- signing ----------------------------------------------------------------- */

static EVP_PKEY *read_private(const char *path)
{
    FILE *f = fopen(path, "re");
    EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

    if (f)
        fclose(f);
    return key;
}

static bool sign_with(EVP_PKEY *key, struct package *p)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = SIGNATURE_SIZE;

    p->signature = enough(calloc(1, SIGNATURE_SIZE));
    bool good = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, (unsigned char *)p->signature, &size,
                               (const unsigned char *)p->text, p->text_size) == 1;
    p->signature_size = size;
    EVP_MD_CTX_free(context);
    return good;
}

static enum exit_code sign(const struct invocation *invocation, const char *path, struct package *p)
{
    EVP_PKEY *key = read_private(path);
    bool fits = key && EVP_PKEY_base_id(key) == EVP_PKEY_ED25519;
    bool good = fits && sign_with(key, p);

    EVP_PKEY_free(key);
    if (!fits)
        return say(invocation, -EINVAL,
                   "%s holds no Ed25519 private key in PEM: \"openssl genpkey -algorithm ed25519 "
                   "-out %s\" makes one",
                   path, path);
    return good ? DONE : say(invocation, -EIO, "%s cannot sign", path);
}

/* ---- what goes in ------------------------------------------------------------- */

static enum exit_code add_file(const struct invocation *invocation, const char *path,
                               struct package *p)
{
    struct manifest *m = &p->manifest;
    const char *slash = strrchr(path, '/');
    size_t size = 0;

    if (m->count == MANIFEST_FILES)
        return say(invocation, -EINVAL, "a package takes at most %d files", MANIFEST_FILES);
    int error = read_whole(path, PACKAGE_FILE_MOST, &p->data[m->count], &size);
    if (error)
        return say(invocation, error, "%s: %s", path, strerror(-error));
    struct manifest_file *f = &m->file[m->count++];
    f->path = enough(strdup(slash ? slash + 1 : path));
    f->size = size;
    package_digest(p->data[m->count - 1], size, f->digest);
    return DONE;
}

/* "NAME:VERSION,NAME": whether the words will do the reader of the manifest says. */
static enum exit_code add_relations(const struct invocation *invocation, enum option option,
                                    struct manifest_relations *all)
{
    const char *said = invocation->option[option];
    cleanup_free char *copy = enough(strdup(said ? said : ""));

    for (char *rest = said ? copy : NULL, *word; (word = strsep(&rest, ","));) {
        if (all->count == MANIFEST_RELATIONS)
            return say(invocation, -EINVAL, "--%s=%s names more than %d filters",
                       option_rows[option].name, said, MANIFEST_RELATIONS);
        struct manifest_relation *r = &all->list[all->count++];
        const char *name = strsep(&word, ":");
        r->filter = enough(strdup(name));
        if (!is_plain_word(name, MANIFEST_NAME_MOST) ||
            (word && !is_plain_word(word, MANIFEST_NAME_MOST)))
            return say_misuse(invocation, "--%s=%s: \"%s%s%s\" is not %s", option_rows[option].name,
                              said, name, word ? ":" : "", word ? word : "",
                              option_rows[option].argument);
        r->version = word ? enough(strdup(word)) : NULL;
    }
    return DONE;
}

/* What the filter's own table says; the text is what a reader would accept, or it is refused. */
static enum exit_code write_manifest(const struct invocation *invocation,
                                     const struct weir_filter *filter, struct package *p)
{
    const char *vendor = invocation->option[OPTION_VENDOR];
    cleanup_text struct weir_text text = { 0 }, why = { 0 };
    cleanup_manifest struct manifest again = { 0 };
    struct manifest *m = &p->manifest;

    m->name = enough(strdup(filter->name));
    m->vendor = enough(strdup(vendor ? vendor : "unknown"));
    m->class = enough(strdup(class_name(filter->klass)));
    m->version = enough(strdup(filter->version));
    m->summary = enough(strdup(filter->summary));
    m->abi = filter->abi;
    enum exit_code code = add_relations(invocation, OPTION_REQUIRES, &m->requires);
    if (!code)
        code = add_relations(invocation, OPTION_CONFLICTS, &m->conflicts);
    if (code)
        return code;
    manifest_print(m, &text);
    int error = text.cut ? -ENOMEM : manifest_parse(text.text, text.length, &again, &why);
    if (error)
        return say(invocation, error, "this makes no package: %s", text_string(&why));
    p->text_size = text.length;
    p->text = enough(text_take(&text));
    return DONE;
}

static enum exit_code save(const struct invocation *invocation, const struct package *p)
{
    cleanup_text struct weir_text name = { 0 }, why = { 0 };
    struct json_object *ret = document();

    weir_print(&name, "%s-%s.tar.zst", p->manifest.name, p->manifest.version);
    int error = package_save(p, text_string(&name), &why);
    if (error) {
        json_object_put(ret);
        return say(invocation, error, "%s", text_string(&why));
    }
    add_text(ret, "package", text_string(&name));
    add_text(ret, "name", p->manifest.name);
    add_text(ret, "version", p->manifest.version);
    add_flag(ret, "signed", p->signature != NULL);
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, ret);
    json_object_put(ret);
    puts(text_string(&name));
    return finish_output(invocation);
}

enum exit_code ctl_filter_pack(const struct invocation *invocation)
{
    cleanup_package struct package p = { 0 };
    const char *key = invocation->option[OPTION_KEY];
    struct library *library;
    enum exit_code code = filters_load_file(invocation, invocation->words[0], &library);

    for (int i = 0; !code && i < invocation->count; i++)
        code = add_file(invocation, invocation->words[i], &p);
    if (!code)
        code = write_manifest(invocation, &library->filter, &p);
    if (!code && key)
        code = sign(invocation, key, &p);
    return code ? code : save(invocation, &p);
}
