/* manifest.c - what does a package say that it is?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The text is libconfig's, and may be anybody's: it is bounded before libconfig sees it, names no
 * other file (@include), and every value is of its type, plain, and shorter than its limit. */
#include "manifest.h"

#include "../loader.h"
#include "../scope.h"
#include "../text.h"

#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

enum { BRACKETS_MOST = 64, WORD_MOST = 64, TEXT_MOST = 256 };

/* ---- words ------------------------------------------------------------------- */

bool is_plain_word(const char *word, size_t most)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(word);

    return length && length <= most && strchr(letters, *word) && !strstr(word, "..") &&
           strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+~") ==
               length;
}

void object_name(const char *filter, char buffer[OBJECT_NAME])
{
    snprintf(buffer, OBJECT_NAME, "weir-filter-%.*s.so", MANIFEST_NAME_MOST, filter);
}

/* A line for people: what a terminal would obey is not in it. */
static bool is_line(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < ' ' || *c == 0x7f)
            return false;
    return strlen(text) <= TEXT_MOST;
}

/* "weir-x.1": a manual page. */
static bool is_page(const char *path)
{
    size_t length = strlen(path);

    return length > 2 && path[length - 2] == '.' && path[length - 1] >= '1' &&
           path[length - 1] <= '9';
}

void package_digest(const void *data, size_t size, uint8_t ret[DIGEST_SIZE])
{
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, size, data);
    sha256_digest(&context, DIGEST_SIZE, ret);
}

void digest_print(const uint8_t digest[DIGEST_SIZE], char text[DIGEST_TEXT])
{
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* A run of digits is a number. */
static int compare_numbers(const char **a, const char **b)
{
    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    const size_t x = strspn(*a, "0123456789"), y = strspn(*b, "0123456789");
    int r = x != y ? (x < y ? -1 : 1) : strncmp(*a, *b, x);

    *a += x;
    *b += y;
    return r;
}

/* What begins with ~ comes before the version without it. */
static int rank(char c)
{
    return c == '~' ? -1 : (unsigned char)c;
}

int version_compare(const char *a, const char *b)
{
    while (*a || *b) {
        const bool numbers = *a >= '0' && *a <= '9' && *b >= '0' && *b <= '9';
        int r = numbers ? compare_numbers(&a, &b) : rank(*a) - rank(*b);
        if (r)
            return r;
        a += !numbers;
        b += !numbers;
    }
    return 0;
}

static bool digest_parse(const char *text, uint8_t digest[DIGEST_SIZE])
{
    if (strlen(text) != DIGEST_TEXT - 1 || text[strspn(text, "0123456789abcdef")])
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        unsigned byte;
        sscanf(text + 2 * i, "%2x", &byte);
        digest[i] = (uint8_t)byte;
    }
    return true;
}

/* ---- reading ----------------------------------------------------------------- */

/* Before libconfig reads it: it would open what @include names, and goes as deep as it is led. */
static int judge_text(const char *text, size_t size, struct weir_text *why)
{
    size_t brackets = 0;

    if (size > MANIFEST_MOST || memchr(text, '\0', size)) {
        weir_print(why,
                   size > MANIFEST_MOST ? "the manifest is longer than %d bytes"
                                        : "the manifest holds a NUL byte",
                   MANIFEST_MOST);
        return -EINVAL;
    }
    for (size_t i = 0; i < size; i++)
        brackets += text[i] == '(' || text[i] == '{' || text[i] == '[';
    if (brackets > BRACKETS_MOST || memmem(text, size, "@include", strlen("@include"))) {
        weir_print(why, "the manifest has @include, or more than %d brackets: it takes neither",
                   BRACKETS_MOST);
        return -EINVAL;
    }
    return 0;
}

static const char *const root_keys[] = { "name", "vendor",   "class",     "version", "summary",
                                         "abi",  "requires", "conflicts", "files",   NULL };
static const char *const required_keys[] = { "filter", "version", NULL };
static const char *const conflict_keys[] = { "filter", NULL };
static const char *const file_keys[] = { "path", "size", "sha256", NULL };

static int judge_keys(const struct config_setting_t *group, const char *const *known,
                      struct weir_text *why)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const char *name = config_setting_name(config_setting_get_elem(group, (unsigned)i));
        const char *const *key = known;
        while (*key && strcmp(*key, name))
            key++;
        if (!*key) {
            weir_print(why, "the manifest, line %u: \"%.64s\" is not a key of a manifest",
                       config_setting_source_line(config_setting_get_elem(group, (unsigned)i)),
                       name);
            return -EINVAL;
        }
    }
    return 0;
}

static int read_string(const struct config_setting_t *group, const char *key, char **ret,
                       struct weir_text *why)
{
    const char *text;

    if (!config_setting_lookup_string(group, key, &text) || !is_line(text)) {
        weir_print(why, "the manifest: \"%s\" must be a line of at most %d bytes", key, TEXT_MOST);
        return -EINVAL;
    }
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int read_word(const struct config_setting_t *group, const char *key, char **ret,
                     struct weir_text *why)
{
    int r = read_string(group, key, ret, why);

    if (r || is_plain_word(*ret, WORD_MOST))
        return r;
    weir_print(why,
               "the manifest: %s \"%s\": it takes at most %d letters, digits and . _ - + ~, and "
               "begins with a letter or digit",
               key, *ret, WORD_MOST);
    return -EINVAL;
}

static int read_file(const struct config_setting_t *group, struct manifest *m,
                     struct weir_text *why)
{
    struct manifest_file *f = &m->file[m->count];
    const char *digest = "";
    long long size = -1;

    if (!config_setting_is_group(group)) {
        weir_print(why, "the manifest: an entry of \"files\" is no group");
        return -EINVAL;
    }
    int r = judge_keys(group, file_keys, why);
    if (!r)
        r = read_string(group, "path", &f->path, why);
    if (r) {
        free(steal(f->path));
        return r;
    }
    m->count++;
    if (!is_plain_word(f->path, TEXT_MOST / 2)) {
        weir_print(why,
                   "the manifest: \"%s\" is no plain name: a package has no folders, and nothing "
                   "outside of its own",
                   f->path);
        return -EINVAL;
    }
    config_setting_lookup_string(group, "sha256", &digest);
    config_setting_lookup_int64(group, "size", &size);
    if (size < 1 || size > PACKAGE_FILE_MOST || !digest_parse(digest, f->digest)) {
        weir_print(why,
                   "the manifest: file %s needs a size of 1 to %d bytes, and the sha256 as 64 "
                   "small hexadecimal digits",
                   f->path, PACKAGE_FILE_MOST);
        return -EINVAL;
    }
    f->size = (uint64_t)size;
    return 0;
}

const struct manifest_file *manifest_object(const struct manifest *m)
{
    char name[OBJECT_NAME];

    object_name(m->name, name);
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->file[i].path, name) == 0)
            return &m->file[i];
    return NULL;
}

static int judge_files(const struct manifest *m, struct weir_text *why)
{
    const struct manifest_file *object = manifest_object(m);
    uint64_t all = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct manifest_file *f = &m->file[i];
        all += f->size;
        for (size_t k = 0; k < i; k++)
            if (strcmp(m->file[k].path, f->path) == 0) {
                weir_print(why, "the manifest names %s twice", f->path);
                return -EINVAL;
            }
        if (f != object && !is_page(f->path)) {
            weir_print(why,
                       "the manifest: %s is neither the filter's own weir-filter-%s.so nor a "
                       "manual page, as weir-%s.1",
                       f->path, m->name, m->name);
            return -EINVAL;
        }
    }
    if (object && all <= PACKAGE_MOST)
        return 0;
    weir_print(why,
               "the manifest: its files must be weir-filter-%s.so and manual pages, of %d "
               "bytes together",
               m->name, PACKAGE_MOST);
    return -EINVAL;
}

static int read_files(const struct config_setting_t *list, struct manifest *m,
                      struct weir_text *why)
{
    if (!list || !config_setting_is_list(list) || config_setting_length(list) > MANIFEST_FILES) {
        weir_print(why, "the manifest: \"files\" must be a list of at most %d groups",
                   MANIFEST_FILES);
        return -EINVAL;
    }
    for (int i = 0; i < config_setting_length(list); i++) {
        int r = read_file(config_setting_get_elem(list, (unsigned)i), m, why);
        if (r)
            return r;
    }
    return judge_files(m, why);
}

/* ---- other filters ----------------------------------------------------------- */

static int read_relation(const struct config_setting_t *group, const char *const *known,
                         const struct manifest *m, struct manifest_relations *all,
                         struct weir_text *why)
{
    struct manifest_relation *r = &all->list[all->count];

    if (!config_setting_is_group(group)) {
        weir_print(why, "the manifest, line %u: this takes groups, as { filter = \"NAME\"; }",
                   config_setting_source_line(group));
        return -EINVAL;
    }
    int error = judge_keys(group, known, why);
    if (error)
        return error;
    all->count++;
    r->line = config_setting_source_line(group);
    error = read_word(group, "filter", &r->filter, why);
    if (!error && config_setting_get_member(group, "version"))
        error = read_word(group, "version", &r->version, why);
    if (error || strcmp(r->filter, m->name) != 0)
        return error;
    weir_print(why, "the manifest, line %u: filter \"%s\" names itself: name another one", r->line,
               r->filter);
    return -EINVAL;
}

/* Not there: none. */
static int read_relations(const struct config_setting_t *root, const char *key,
                          const char *const *known, const struct manifest *m,
                          struct manifest_relations *all, struct weir_text *why)
{
    const struct config_setting_t *list = config_setting_get_member(root, key);
    int r = 0;

    if (list &&
        (!config_setting_is_list(list) || config_setting_length(list) > MANIFEST_RELATIONS)) {
        weir_print(why, "the manifest, line %u: \"%s\" takes a list of at most %d groups",
                   config_setting_source_line(list), key, MANIFEST_RELATIONS);
        return -EINVAL;
    }
    for (int i = 0; list && !r && i < config_setting_length(list); i++)
        r = read_relation(config_setting_get_elem(list, (unsigned)i), known, m, all, why);
    return r;
}

const struct manifest_relation *manifest_relation(const struct manifest_relations *all,
                                                  const char *filter)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->list[i].filter, filter) == 0)
            return &all->list[i];
    return NULL;
}

static void relations_finish(struct manifest_relations *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->list[i].filter);
        free(all->list[i].version);
    }
}

/* ---- the whole --------------------------------------------------------------- */

static int judge_class(const char *class, struct weir_text *why)
{
    for (int i = 0; i < WEIR_CLASS_COUNT; i++)
        if (strcmp(class_name((enum weir_class)i), class) == 0)
            return 0;
    weir_print(why, "the manifest: class \"%s\" is not known to this weir", class);
    return -EINVAL;
}

static int read_root(const struct config_setting_t *root, struct manifest *m, struct weir_text *why)
{
    int abi = -1;

    int r = judge_keys(root, root_keys, why);
    if (!r)
        r = read_word(root, "name", &m->name, why);
    if (!r)
        r = read_word(root, "version", &m->version, why);
    if (!r)
        r = read_string(root, "vendor", &m->vendor, why);
    if (!r)
        r = read_string(root, "summary", &m->summary, why);
    if (!r)
        r = read_word(root, "class", &m->class, why);
    if (!r)
        r = judge_class(m->class, why);
    if (!r && (!config_setting_lookup_int(root, "abi", &abi) || abi < 0)) {
        weir_print(why, "the manifest: \"abi\" must be the number of the filter ABI");
        r = -EINVAL;
    }
    m->abi = (unsigned)abi;
    if (!r)
        r = read_relations(root, "requires", required_keys, m, &m->requires, why);
    if (!r)
        r = read_relations(root, "conflicts", conflict_keys, m, &m->conflicts, why);
    return r ? r : read_files(config_setting_get_member(root, "files"), m, why);
}

int manifest_parse(const void *text, size_t size, struct manifest *ret, struct weir_text *why)
{
    cleanup_free char *copy = malloc(size + 1);
    struct manifest m = { 0 };
    struct config_t tree;

    int r = copy ? judge_text(text, size, why) : -ENOMEM;
    if (r)
        return r;
    memcpy(copy, text, size);
    copy[size] = '\0';
    config_init(&tree);
    if (config_read_string(&tree, copy)) {
        r = read_root(config_root_setting(&tree), &m, why);
    } else {
        weir_print(why, "the manifest, line %d: %s", config_error_line(&tree),
                   config_error_text(&tree));
        r = -EINVAL;
    }
    config_destroy(&tree);
    if (r)
        manifest_finish(&m);
    else
        *ret = m;
    return r;
}

void manifest_finish(struct manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->file[i].path);
    relations_finish(&m->requires);
    relations_finish(&m->conflicts);
    free(m->name);
    free(m->vendor);
    free(m->class);
    free(m->version);
    free(m->summary);
    *m = (struct manifest){ 0 };
}

/* ---- writing ----------------------------------------------------------------- */

static void print_string(const char *key, const char *value, struct weir_text *text)
{
    weir_print(text, "%s = \"", key);
    for (; *value; value++)
        weir_print(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    weir_print(text, "\";\n");
}

static void print_relations(const char *key, const struct manifest_relations *all,
                            struct weir_text *text)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct manifest_relation *r = &all->list[i];
        if (i)
            weir_print(text, ",\n    { filter = \"%s\";", r->filter);
        else
            weir_print(text, "%s = (\n    { filter = \"%s\";", key, r->filter);
        if (r->version)
            weir_print(text, " version = \"%s\";", r->version);
        weir_print(text, " }");
    }
    weir_print(text, all->count ? "\n);\n" : "");
}

void manifest_print(const struct manifest *m, struct weir_text *text)
{
    char digest[DIGEST_TEXT];

    print_string("name", m->name, text);
    print_string("vendor", m->vendor, text);
    print_string("class", m->class, text);
    print_string("version", m->version, text);
    weir_print(text, "abi = %u;\n", m->abi);
    print_string("summary", m->summary, text);
    print_relations("requires", &m->requires, text);
    print_relations("conflicts", &m->conflicts, text);
    weir_print(text, "files = (");
    for (size_t i = 0; i < m->count; i++) {
        digest_print(m->file[i].digest, digest);
        weir_print(text, "%s\n    { path = \"%s\"; size = %" PRIu64 "L;\n      sha256 = \"%s\"; }",
                   i ? "," : "", m->file[i].path, m->file[i].size, digest);
    }
    weir_print(text, "\n);\n");
}
