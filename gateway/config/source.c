/* source.c - what does one configuration file say, and where?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "source.h"
#include "../scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- files ------------------------------------------------------------------- */

int load_text(const char *path, size_t limit, char **text, size_t *size)
{
    /* O_NONBLOCK: a FIFO among the files must not stop us */
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((size_t)st.st_size > limit)
        return -EFBIG;
    cleanup_free char *bytes = malloc((size_t)st.st_size + 1);
    if (!bytes)
        return -ENOMEM;
    size_t got = 0;
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, bytes + got, (size_t)st.st_size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            break;
        got += (size_t)n;
    }
    bytes[got] = '\0';
    *text = steal(bytes);
    *size = got;
    return 0;
}

static void report_unreadable(struct report *report, const char *name, int err)
{
    if (err == -ENOMEM)
        report_memory(report);
    else if (err == -EFBIG)
        report_file(report, -EINVAL, name,
                    "the file is too large: a configuration has at most %d "
                    "bytes",
                    TEXT_MAX);
    else if (err == -EISDIR)
        report_file(report, -EINVAL, name, "this is a folder: name a file");
    else if (err == -EINVAL)
        report_file(report, -EINVAL, name, "this is no regular file");
    else
        report_file(report, -EINVAL, name, "cannot be read: %s", strerror(-err));
}

/* ---- parsing ----------------------------------------------------------------- */

static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t length = strlen(base);

    if (length > 5 && !strcmp(base + length - 5, ".conf"))
        length -= 5;
    return strndup(base, length);
}

/* Gives each setting its spot: both trees have the same order. */
static size_t attach(struct config_setting_t *setting, struct spot *spots, size_t next)
{
    for (int i = 0; i < config_setting_length(setting); i++) {
        struct config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
        config_setting_set_hook(child, &spots[next++]);
        if (config_setting_is_aggregate(child))
            next = attach(child, spots, next);
    }
    return next;
}

static int parse(struct source *s, struct report *report)
{
    int err = outline_read(s->name, s->text, s->size, s->first_line, &s->outline, report);

    if (err)
        return err;
    /* libconfig's scanner takes a comment that ends without a newline for an error */
    cleanup_free char *line = NULL;
    if (asprintf(&line, "%s\n", s->text) < 0) {
        line = NULL;
        report_memory(report);
        return -ENOMEM;
    }
    if (!config_read_string(&s->tree, line)) {
        /* such as an array of mixed types: what the outline leaves to libconfig */
        struct place place = { (unsigned)config_error_line(&s->tree) + s->first_line - 1, 1 };
        const char *said = config_error_text(&s->tree);
        report_mistake(report, s->name, place, "", "%s",
                       strcmp(said, "mismatched element type in array")
                           ? said
                           : "the entries of an array in [ ] must be of one type");
        return -EINVAL;
    }
    attach(config_root_setting(&s->tree), s->outline.spots, 0);
    return 0;
}

static int parse_from(enum source_kind kind, const char *name, const char *path, const char *text,
                      size_t size, unsigned first_line, struct source **ret, struct report *report)
{
    struct source *s = calloc(1, sizeof *s);

    if (!s) {
        report_memory(report);
        return -ENOMEM;
    }
    s->references = 1;
    s->kind = kind;
    s->first_line = first_line;
    config_init(&s->tree);
    s->name = strdup(name);
    s->path = strdup(path);
    s->stem = stem_of(path);
    s->text = malloc(size + 1);
    if (!s->name || !s->path || !s->stem || !s->text) {
        report_memory(report);
        source_unref(s);
        return -ENOMEM;
    }
    memcpy(s->text, text, size);
    s->text[size] = '\0';
    s->size = size;
    int err = parse(s, report);
    if (err) {
        source_unref(s);
        return err;
    }
    *ret = s;
    return 0;
}

const char *source_header(enum source_kind kind)
{
    if (kind == SOURCE_OVERRIDE)
        return "# Kept by weir: what was set for this export while it ran.  Edit it through the "
               "mount.\n";
    if (kind == SOURCE_DATASTORE)
        return "# Kept by weir: what was set for this datastore while it ran.  Set it through the "
               "mount.\n";
    return NULL;
}

size_t source_header_length(enum source_kind kind, const char *text)
{
    const char *header = source_header(kind);
    size_t length = header ? strlen(header) : 0;

    return length && !strncmp(text, header, length) ? length : 0;
}

int source_parse(enum source_kind kind, const char *name, const char *path, const char *text,
                 size_t size, struct source **ret, struct report *report)
{
    return parse_from(kind, name, path, text, size, 1, ret, report);
}

int source_load(enum source_kind kind, const char *name, const char *path, struct source **ret,
                struct report *report)
{
    cleanup_free char *text = NULL;
    size_t size;
    int err = load_text(path, TEXT_MAX, &text, &size);

    if (err) {
        report_unreadable(report, name, err);
        return report->err;
    }
    size_t header = source_header_length(kind, text);
    return parse_from(kind, name, path, text + header, size - header, header ? 2 : 1, ret, report);
}

struct source *source_ref(struct source *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void source_unref(struct source *s)
{
    if (!s || atomic_fetch_sub(&s->references, 1) != 1)
        return;
    config_destroy(&s->tree);
    outline_finish(&s->outline);
    free(s->name);
    free(s->path);
    free(s->stem);
    free(s->text);
    free(s);
}

/* ---- places ------------------------------------------------------------------ */

const struct config_setting_t *source_root(const struct source *s)
{
    return config_root_setting(&s->tree);
}

const struct spot *spot_of(const struct config_setting_t *setting)
{
    return config_setting_get_hook(setting);
}

void report_name(struct report *report, const struct source *source,
                 const struct config_setting_t *setting, const char *format, ...)
{
    const struct spot *spot = spot_of(setting);
    va_list arguments;
    char *sentence = NULL;

    va_start(arguments, format);
    if (vasprintf(&sentence, format, arguments) < 0)
        sentence = NULL;
    va_end(arguments);
    if (!sentence) {
        report_memory(report);
        return;
    }
    report_mistake(report, source->name, spot ? spot->at : (struct place){ 0 },
                   config_setting_name(setting), "%s", sentence);
    free(sentence);
}

void report_value(struct report *report, const struct source *source,
                  const struct config_setting_t *setting, const char *format, ...)
{
    const struct spot *spot = spot_of(setting);
    va_list arguments;
    char *sentence = NULL;

    va_start(arguments, format);
    if (vasprintf(&sentence, format, arguments) < 0)
        sentence = NULL;
    va_end(arguments);
    cleanup_free char *word =
        spot && !config_setting_is_aggregate(setting)
            ? strndup(source->text + spot->value_start, spot->end - spot->value_start)
            : NULL;
    if (!sentence) {
        report_memory(report);
        return;
    }
    report_mistake(report, source->name, spot ? spot->value : (struct place){ 0 }, word, "%s",
                   sentence);
    free(sentence);
}
