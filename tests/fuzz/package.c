/* package.c - can a filter's package, or its manifest, break who reads it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is taken as an archive, as a manifest, and as a signature.  What is refused has a
 * sentence; what is taken has plain names, once, within the limits, and data of the digest that is
 * said; and a manifest that is written as it was understood is understood the same. */
#include "package.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

static void check_names(const struct manifest *m)
{
    check(is_plain_word(m->name, 64) && is_plain_word(m->version, 64), "names are plain");
    check(manifest_object(m) && m->count <= MANIFEST_FILES, "there is a filter");
    for (size_t i = 0; i < m->count; i++) {
        check(!strchr(m->file[i].path, '/') && *m->file[i].path != '.', "paths stay inside");
        check(m->file[i].size <= PACKAGE_FILE_MOST, "files are bounded");
        for (size_t k = 0; k < i; k++)
            check(strcmp(m->file[i].path, m->file[k].path) != 0, "paths differ");
    }
}

static void check_relations(const struct manifest *m, const struct manifest_relations *all)
{
    check(all->count <= MANIFEST_RELATIONS, "few other filters are named");
    for (size_t i = 0; i < all->count; i++) {
        const struct manifest_relation *r = &all->list[i];
        check(is_plain_word(r->filter, 64) && strcmp(r->filter, m->name) != 0, "another filter");
        check(!r->version || is_plain_word(r->version, 64), "of a plain version");
        check(!version_compare(m->version, m->version), "which can be compared");
    }
}

static void check_printed(const struct manifest *m)
{
    struct weir_text first = { 0 }, second = { 0 };
    struct manifest again;

    manifest_print(m, &first);
    check(!manifest_parse(first.text, first.length, &again, NULL), "what is written can be read");
    manifest_print(&again, &second);
    check(strcmp(text_string(&first), text_string(&second)) == 0, "and says the same");
    manifest_finish(&again);
    text_finish(&first);
    text_finish(&second);
}

static void as_manifest(const uint8_t *data, size_t size)
{
    struct weir_text why = { 0 };
    struct manifest m;

    if (manifest_parse(data, size, &m, &why)) {
        check(why.length, "a refusal says why");
    } else {
        check_names(&m);
        check_relations(&m, &m.requires);
        check_relations(&m, &m.conflicts);
        check_printed(&m);
        manifest_finish(&m);
    }
    text_finish(&why);
}

static void as_package(const uint8_t *data, size_t size)
{
    struct weir_text why = { 0 };
    uint8_t digest[DIGEST_SIZE];
    struct package p;

    if (package_read(data, size, &p, &why)) {
        check(why.length, "a refusal says why");
        text_finish(&why);
        return;
    }
    check_names(&p.manifest);
    for (size_t i = 0; i < p.manifest.count; i++) {
        package_digest(p.data[i], p.manifest.file[i].size, digest);
        check(memcmp(digest, p.manifest.file[i].digest, DIGEST_SIZE) == 0, "digests are right");
    }
    package_finish(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a manifest";
    struct weir_text why = { 0 };

    as_manifest(data, size);
    as_package(data, size);
    if (size && size <= SIGNATURE_MOST)
        check(signature_check("/nonexistent", text, sizeof text, (const char *)data, size, NULL,
                              &why) &&
                  why.length,
              "nobody is trusted there");
    text_finish(&why);
    return 0;
}
