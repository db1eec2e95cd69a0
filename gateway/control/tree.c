/* tree.c - how does a path of the mount become a function to call?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../events.h"
#include "../scope.h"
#include "tree-table.h"

/* The last part of `row` when its folder is `folder`, else NULL. */
static const char *part_in(const struct row *row, const struct row *folder)
{
    size_t length = strlen(folder->pattern);
    const char *last = row->pattern;

    if (row == folder)
        return NULL;
    if (length) {
        if (strncmp(row->pattern, folder->pattern, length) != 0 || row->pattern[length] != '/')
            return NULL;
        last += length + 1;
    }
    return strchr(last, '/') ? NULL : last;
}

/* ---- names ------------------------------------------------------------------- */

int names_add(struct names *names, const char *name, enum node_kind kind, bool writable)
{
    struct weir_text encoded = { 0 };
    struct name *bigger = realloc(names->list, (names->count + 1) * sizeof(*bigger));

    if (!bigger)
        return -ENOMEM;
    names->list = bigger;
    path_encode(name, &encoded);
    if (encoded.cut || !encoded.text) {
        text_finish(&encoded);
        return -ENOMEM;
    }
    names->list[names->count++] = (struct name){ encoded.text, kind, writable };
    return 0;
}

void names_finish(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i].name);
    free(names->list);
    *names = (struct names){ 0 };
}

static int list_folder(struct place *place, struct names *names)
{
    int error = 0;

    for (const struct row *row = tree_rows(); row->pattern && !error; row++) {
        const char *last = part_in(row, place->row);
        if (!last || (row == place->row))
            continue;
        if (row->names)
            error = row->names(place, names);
        else
            error = names_add(names, last, row->kind, row->write || row->grows);
    }
    return error;
}

/* ---- the walk ---------------------------------------------------------------- */

static const struct row *row_of(struct place *place, const struct row *folder, const char *name,
                                int *error)
{
    *error = -ENOENT;
    for (const struct row *row = tree_rows(); row->pattern; row++) {
        const char *last = part_in(row, folder);
        if (!last)
            continue;
        if (row->enter) {
            *error = row->enter(place, name);
            if (*error == -ENOENT)
                continue;
            return *error ? NULL : row;
        }
        if (strcmp(last, name) == 0) {
            *error = 0;
            return row;
        }
    }
    return NULL;
}

/* "vm9" is not in "exports"; did you mean "vm1"? */
static void say_missing(struct place *place, const char *part, struct refusal *refusal)
{
    struct names names = { 0 };
    const char **words = NULL;

    weir_print(&refusal->why, "\"%s\" is not in \"", part);
    for (size_t i = 0; i < place->parts; i++) {
        weir_print(&refusal->why, i ? "/" : "");
        path_encode(place->part[i], &refusal->why);
    }
    weir_print(&refusal->why, "\"");
    if (list_folder(place, &names) == 0)
        words = calloc(names.count + 1, sizeof(*words));
    for (size_t i = 0; words && i < names.count; i++)
        words[i] = names.list[i].name;
    const char *nearest = words ? nearest_word(part, words) : NULL;
    if (nearest)
        weir_print(&refusal->why, "; did you mean \"%s\"?", nearest);
    free(words);
    names_finish(&names);
}

static int step(struct place *place, const char *part, size_t size, struct refusal *refusal)
{
    cleanup_free char *shown = strndup(part, size);
    cleanup_free char *name = NULL;
    int error = place->parts < PATH_PARTS ? path_decode(part, size, &name) : -ENOENT;

    if (!shown)
        return -ENOMEM;
    if (!error && place->row->kind != NODE_FOLDER) {
        weir_print(&refusal->why, "\"%s\" cannot be inside of a file", shown);
        return -ENOTDIR;
    }
    const struct row *row = error ? NULL : row_of(place, place->row, name, &error);
    if (!row) {
        if (error == -ENOENT)
            say_missing(place, shown, refusal);
        return error;
    }
    place->row = row;
    place->part[place->parts++] = steal(name);
    return 0;
}

int place_find(struct place *place, const char *path, struct refusal *refusal)
{
    place->row = tree_rows();
    if (*path == '/')
        path++;
    while (*path) {
        size_t size = strcspn(path, "/");
        int error = step(place, path, size, refusal);
        if (error)
            return error;
        path += size;
        /* "exports/" is not "exports" */
        if (*path == '/' && !*++path)
            return step(place, "", 0, refusal);
    }
    return 0;
}

void place_finish(struct place *place)
{
    for (size_t i = 0; i < place->parts; i++)
        free(place->part[i]);
    if (place->viewed)
        export_view_finish(&place->view);
    export_unref(place->export);
    loader_put(place->library);
    datastore_view_finish(&place->datastore);
    *place = (struct place){ 0 };
}

/* ---- what can be done to a node ---------------------------------------------- */

static int refuse(const struct place *place, int error, const char *sentence,
                  struct refusal *refusal)
{
    weir_print(&refusal->why, "\"");
    for (size_t i = 0; i < place->parts; i++) {
        weir_print(&refusal->why, i ? "/" : "");
        path_encode(place->part[i], &refusal->why);
    }
    weir_print(&refusal->why, "\" %s", sentence);
    return error;
}

int tree_list(struct place *place, struct names *names, struct refusal *refusal)
{
    if (place->row->kind != NODE_FOLDER)
        return refuse(place, -ENOTDIR, "is a file: get it", refusal);
    return list_folder(place, names);
}

int tree_read(struct place *place, struct weir_text *text, struct refusal *refusal)
{
    if (place->row->kind == NODE_FOLDER)
        return refuse(place, -EISDIR, "is a folder: list it", refusal);
    int error = place->row->read(place, text);
    if (!error && text->length && text->text[text->length - 1] != '\n')
        weir_print(text, "\n");
    return text->cut ? -ENOMEM : error;
}

int tree_write(struct place *place, const struct change *change, struct weir_text *answer,
               struct refusal *refusal)
{
    if (place->row->kind == NODE_FOLDER)
        return refuse(place, -EISDIR, "is a folder: it cannot be written", refusal);
    if (!place->row->write)
        return refuse(place, -EACCES, "can only be read", refusal);
    return place->row->write(place, change, answer, refusal);
}

int tree_remove(struct place *place, struct refusal *refusal)
{
    if (!place->row->remove)
        return refuse(place, -EPERM, "cannot be removed; policies/NAME can", refusal);
    return place->row->remove(place, refusal);
}

int change_line(const struct change *change, char **line, struct refusal *refusal)
{
    size_t size = change->size;

    while (size && (change->text[size - 1] == '\n' || change->text[size - 1] == ' '))
        size--;
    if (memchr(change->text, '\n', size) || memchr(change->text, '\0', size)) {
        weir_print(&refusal->why, "one value on one line was expected");
        return -EINVAL;
    }
    *line = strndup(change->text, size);
    return *line ? 0 : -ENOMEM;
}

int change_done(const struct place *place, int error, const struct refusal *refusal,
                const char *format, ...)
{
    const char *export = place->export ? export_name(place->export) : NULL;
    cleanup_text struct weir_text sentence = { 0 };
    cleanup_text struct weir_text reason = { 0 };
    char name[32];
    va_list arguments;

    va_start(arguments, format);
    cleanup_free char *what = NULL;
    if (vasprintf(&what, format, arguments) < 0)
        what = NULL;
    va_end(arguments);
    weir_print(&sentence, "%s by %s", what ? what : "a change", caller_name(place->caller, name));
    if (error)
        refusal_print(refusal, error, &reason);
    if (export)
        kept_set(KEPT_ERROR, export, "", error ? text_string(&reason) : NULL);
    if (error)
        event_post(WEIR_WARNING, export, NULL, "refused: %s: %s", text_string(&sentence),
                   text_string(&reason));
    else
        event_post(WEIR_INFO, export, NULL, "%s", text_string(&sentence));
    return error;
}
