/* note.c - what does an export's state folder know of its pool?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "pool"
enum { HEX = 2 * UUID };

static void to_hex(char text[HEX + 1], const uint8_t uuid[UUID])
{
    for (int i = 0; i < UUID; i++)
        snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

static bool from_hex(uint8_t uuid[UUID], const char *text)
{
    for (int i = 0; i < UUID; i++) {
        char two[] = { text[2 * i], text[2 * i + 1], 0 }, *end;
        uuid[i] = (uint8_t)strtoul(two, &end, 16);
        if (*end)
            return false;
    }
    return true;
}

static int parse(const char *text, struct note *note)
{
    char pool[HEX + 1], disk[HEX + 1], dirty[4];
    unsigned grid;

    if (sscanf(text, "pool %32[0-9a-f]\ndisk %32[0-9a-f]\ndirty %3[a-z]\ngrid %u\n", pool, disk,
               dirty, &grid) != 4 ||
        grid >= BLOCK || grid % SECTOR || strlen(pool) != HEX || strlen(disk) != HEX ||
        !from_hex(note->pool, pool) || !from_hex(note->disk, disk) ||
        (strcmp(dirty, "yes") && strcmp(dirty, "no")))
        return -EPROTO;
    note->dirty = strcmp(dirty, "yes") == 0;
    note->grid = grid;
    return 0;
}

int note_load(struct weir_below *below, struct note *note)
{
    void *data;
    size_t size;
    int r = weir_state_load(below, FILE_NAME, &data, &size);

    *note = (struct note){ 0 };
    if (r)
        return r == -ENOENT ? 0 : r;
    char *text = strndup(data, size);
    r = text ? parse(text, note) : -ENOMEM;
    free(text);
    free(data);
    return r;
}

int note_save(struct weir_below *below, const struct note *note)
{
    char text[128], pool[HEX + 1], disk[HEX + 1];

    to_hex(pool, note->pool);
    to_hex(disk, note->disk);
    int n = snprintf(text, sizeof(text), "pool %s\ndisk %s\ndirty %s\ngrid %u\n", pool, disk,
                     note->dirty ? "yes" : "no", note->grid);
    return weir_state_save(below, FILE_NAME, text, (size_t)n);
}
