/* changes.c - which parts of a disk changed since a checkpoint?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The map of a replicated disk knows.  It may say too much, after a crash, and never too little.
 * A new checkpoint is made before the changes are asked for: so whoever copies what is listed,
 * and asks the next time since that checkpoint, misses nothing. */
#include "changes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "filtered.h"
#include "measure.h"

enum { GRANULE = 65536 };

static enum exit_code open_disk(const struct invocation *invocation, struct filtered *disk)
{
    return filtered_open(invocation, disk, "replication",
                         "{ filter = \"replication\"; target = \"…\"; }");
}

static struct json_object *export_of(const struct filtered *disk)
{
    return entry_of(member_of(disk->gateway->show, "exports"), "name", disk->export);
}

/* ---- what the filter answers ------------------------------------------------------------- */

static void add_extent(struct changes *changes, uint64_t offset, uint64_t length)
{
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity ? changes->capacity * 2 : 64;
        changes->list =
            enough(reallocarray(changes->list, changes->capacity, sizeof(*changes->list)));
    }
    changes->list[changes->count++] = (struct extent){ offset, length };
    changes->total += length;
}

/* Lines "OFFSET LENGTH".  Another one would be a range that a backup misses. */
static int read_lines(const char *text, struct changes *changes)
{
    while (*text) {
        char *end;
        uint64_t offset = strtoull(text, &end, 10);
        if (end == text || *end != ' ')
            return -EPROTO;
        const char *second = end + 1;
        uint64_t length = strtoull(second, &end, 10);
        if (end == second || (*end != '\n' && *end) || !length)
            return -EPROTO;
        add_extent(changes, offset, length);
        text = *end ? end + 1 : end;
    }
    return 0;
}

static enum exit_code ask_changes(const struct invocation *invocation, const struct filtered *disk,
                                  struct changes *changes)
{
    struct json_object *answer = NULL;
    enum exit_code code = filtered_verb(invocation, disk, "asking", "changes",
                                        invocation->option[OPTION_SINCE], &answer);

    changes->size = number_of(export_of(disk), "size_bytes");
    if (!code && read_lines(text_of(answer, "text"), changes) != 0)
        code = say(invocation, -EPROTO,
                   "the changes of \"%s\" cannot be read: the gateway is of another version",
                   disk->export);
    json_object_put(answer);
    return code;
}

static enum exit_code make_checkpoint(const struct invocation *invocation,
                                      const struct filtered *disk, char **id)
{
    struct json_object *answer = NULL;
    enum exit_code code = filtered_verb(invocation, disk, "asking", "checkpoint", NULL, &answer);

    if (!code) {
        *id = enough(strdup(text_of(answer, "text")));
        (*id)[strcspn(*id, "\n")] = '\0';
    }
    json_object_put(answer);
    return code;
}

/* ---- what is printed ------------------------------------------------------------------------ */

static void print_name(const struct invocation *invocation, struct weir_text *ret)
{
    weir_print(ret, "weir-since-%s", invocation->option[OPTION_SINCE]);
}

static enum exit_code write_file(const struct invocation *invocation, const struct filtered *disk,
                                 const struct changes *changes)
{
    const char *file = invocation->option[OPTION_QCOW2], *uri = text_of(export_of(disk), "uri");
    cleanup_text struct weir_text name = { 0 };
    cleanup_text struct weir_text why = { 0 };

    if (strncmp(uri, "nbd:", 4) != 0 && strncmp(uri, "nbd+", 4) != 0)
        return say(invocation, -ENOTSUP,
                   "--qcow2: clients reach \"%s\" by %s, and the name of a backing file cannot say "
                   "with which keys: a gateway on a Unix socket without TLS is needed",
                   disk->export, uri);
    print_name(invocation, &name);
    int error = changes_write_qcow2(changes, file, uri, text_string(&name), &why);
    return error ? say(invocation, error, "%s", text_string(&why)) : DONE;
}

static struct json_object *list_document(const struct changes *changes)
{
    struct json_object *ret = enough(json_object_new_array());

    for (size_t i = 0; i < changes->count; i++) {
        struct json_object *extent = document();
        add_number(extent, "offset", changes->list[i].offset);
        add_number(extent, "length", changes->list[i].length);
        json_object_array_add(ret, extent);
    }
    return ret;
}

static enum exit_code print_json(const struct invocation *invocation, const struct filtered *disk,
                                 const struct changes *changes, const char *checkpoint)
{
    struct json_object *ret = document();
    cleanup_text struct weir_text name = { 0 };

    add_text(ret, "gateway", disk->gateway->name);
    add_text(ret, "export", disk->export);
    if (checkpoint)
        add_text(ret, "checkpoint", checkpoint);
    if (!invocation->option[OPTION_SINCE])
        return print_document(invocation, ret);
    add_text(ret, "since", invocation->option[OPTION_SINCE]);
    add_number(ret, "size_bytes", changes->size);
    add_number(ret, "granule_bytes", GRANULE);
    add_number(ret, "changed_bytes", changes->total);
    if (invocation->option[OPTION_QCOW2]) {
        print_name(invocation, &name);
        add_text(ret, "qcow2", invocation->option[OPTION_QCOW2]);
        add_text(ret, "bitmap", text_string(&name));
    }
    add_item(ret, "extents", list_document(changes));
    return print_document(invocation, ret);
}

/* A checkpoint stands alone in the first line, for `read` and `head`. */
static enum exit_code print_text(const struct invocation *invocation, const struct changes *changes,
                                 const char *checkpoint)
{
    const char *file = invocation->option[OPTION_QCOW2];

    if (checkpoint)
        puts(checkpoint);
    if (file)
        printf("%s of %s changed; qemu-nbd -r -f qcow2 -B weir-since-%s %s shows where\n",
               bytes_number((double)changes->total).text, bytes_number((double)changes->size).text,
               invocation->option[OPTION_SINCE], file);
    for (size_t i = 0; i < changes->count && !file; i++)
        printf("%" PRIu64 " %" PRIu64 "\n", changes->list[i].offset, changes->list[i].length);
    return finish_output(invocation);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static enum exit_code run(const struct invocation *invocation, const struct filtered *disk)
{
    struct changes changes = { 0 };
    cleanup_free char *checkpoint = NULL;
    enum exit_code code = DONE;

    if (invocation->option[OPTION_CHECKPOINT])
        code = make_checkpoint(invocation, disk, &checkpoint);
    if (!code && invocation->option[OPTION_SINCE])
        code = ask_changes(invocation, disk, &changes);
    if (!code && invocation->option[OPTION_QCOW2])
        code = write_file(invocation, disk, &changes);
    if (!code && invocation->option[OPTION_JSON])
        code = print_json(invocation, disk, &changes, checkpoint);
    else if (!code)
        code = print_text(invocation, &changes, checkpoint);
    free(changes.list);
    return code;
}

enum exit_code ctl_changes(const struct invocation *invocation)
{
    cleanup_filtered struct filtered disk = { 0 };

    if (!invocation->option[OPTION_SINCE] && !invocation->option[OPTION_CHECKPOINT])
        return say_misuse(invocation,
                          "since when? --since=ID names a checkpoint, and --checkpoint makes one");
    if (invocation->option[OPTION_QCOW2] && !invocation->option[OPTION_SINCE])
        return say_misuse(invocation, "--qcow2 needs --since=ID: the bitmap has the changes since");
    enum exit_code code = open_disk(invocation, &disk);
    return code ? code : run(invocation, &disk);
}
