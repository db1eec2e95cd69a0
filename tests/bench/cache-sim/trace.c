/* trace.c - which blocks were asked for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "block.h"
#include "sim.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 4096 };
enum { SCSI_WRITE_6 = 0x0a, SCSI_WRITE_10 = 0x2a, SCSI_WRITE_16 = 0x8a };
enum { SCSI_READ_6 = 0x08, SCSI_READ_10 = 0x28, SCSI_READ_16 = 0x88 };

/* ---- blocks and their numbers ------------------------------------------------------ */

static void grow_table(struct trace *trace)
{
    size_t size = trace->table_size ? trace->table_size * 2 : 1 << 16;

    free(trace->table);
    trace->table = allocate(size, sizeof *trace->table);
    trace->table_size = size;
    for (uint32_t block = 0; block < trace->blocks; block++) {
        size_t at = trace->key[block] * 0x9e3779b97f4a7c15u >> 20 & (size - 1);
        while (trace->table[at])
            at = (at + 1) & (size - 1);
        trace->table[at] = block + 1;
    }
}

static uint32_t number(struct trace *trace, uint64_t key)
{
    if (2 * (size_t)trace->blocks >= trace->table_size)
        grow_table(trace);
    size_t at = key * 0x9e3779b97f4a7c15u >> 20 & (trace->table_size - 1);
    for (; trace->table[at]; at = (at + 1) & (trace->table_size - 1))
        if (trace->key[trace->table[at] - 1] == key)
            return trace->table[at] - 1;
    if (trace->blocks == trace->blocks_room) {
        trace->blocks_room = trace->blocks_room ? trace->blocks_room * 2 : 1 << 16;
        trace->key = realloc(trace->key, trace->blocks_room * sizeof *trace->key);
        if (!trace->key)
            die("the trace's blocks", "there is no memory");
    }
    trace->key[trace->blocks] = key;
    trace->table[at] = ++trace->blocks;
    return trace->blocks - 1;
}

void trace_add(struct trace *trace, uint64_t key, bool write)
{
    if (trace->count == trace->room) {
        trace->room = trace->room ? trace->room * 2 : 1 << 16;
        trace->block = realloc(trace->block, trace->room * sizeof *trace->block);
        trace->writes = realloc(trace->writes, trace->room * sizeof *trace->writes);
        if (!trace->block || !trace->writes)
            die("the trace", "there is no memory");
    }
    trace->block[trace->count] = number(trace, key);
    trace->writes[trace->count++] = write;
}

void trace_free(struct trace *trace)
{
    free(trace->block);
    free(trace->writes);
    free(trace->key);
    free(trace->table);
}

static void add_range(struct trace *trace, const struct trace_how *how, bool write, uint64_t offset,
                      uint64_t length)
{
    uint64_t shift = (BLOCK - how->grid) % BLOCK;

    if (!length || (write && how->reads_only))
        return;
    for (uint64_t block = (offset + shift) / BLOCK; block <= (offset + shift + length - 1) / BLOCK;
         block++)
        trace_add(trace, block, write);
}

/* ---- formats ----------------------------------------------------------------------- */

/* VMware's vscsiStats, as CloudPhysics published it: 32 bytes, little-endian. */
static void read_vscsi(FILE *file, const struct trace_how *how, struct trace *trace)
{
    struct {
        uint32_t serial, length, segments;
        uint16_t op, version;
        uint64_t lba, time;
    } record;

    while (fread(&record, sizeof record, 1, file) == 1) {
        unsigned op = le16toh(record.op);
        bool write = op == SCSI_WRITE_6 || op == SCSI_WRITE_10 || op == SCSI_WRITE_16;
        if (write || op == SCSI_READ_6 || op == SCSI_READ_10 || op == SCSI_READ_16)
            add_range(trace, how, write, le64toh(record.lba) * SECTOR, le32toh(record.length));
    }
}

/* Of the authors of ARC: first address, number of addresses, nothing, number of the request. */
static void read_lis(FILE *file, const struct trace_how *how, struct trace *trace)
{
    uint64_t at, count;

    while (fscanf(file, "%" SCNu64 "%" SCNu64 "%*[^\n]", &at, &count) == 2)
        add_range(trace, how, false, at * how->unit, count * how->unit);
}

static void read_u32(FILE *file, const struct trace_how *how, struct trace *trace)
{
    uint32_t block;

    while (fread(&block, sizeof block, 1, file) == 1)
        add_range(trace, how, false, (uint64_t)le32toh(block) * BLOCK, BLOCK);
}

static bool is_one_of(const char *word, const char *const *of)
{
    for (; *of; of++)
        if (!strcasecmp(word, *of))
            return true;
    return false;
}

/* A line's column for each name that `columns` has at its place; what is not known is passed over.
 */
static void add_line(struct trace *trace, const struct trace_how *how, char *line)
{
    static const char *const writes[] = { "write", "w", "1", "ws", "wu", NULL };
    static const char *const others[] = { "flush", "trim", "zero", "mark", "cache", NULL };
    const char *column = how->columns;
    uint64_t offset = 0, length = BLOCK;
    bool write = false, any = false;

    for (char *rest = line, *word; *column && (word = strsep(&rest, ", \t\r\n"));) {
        if (!*word)
            continue;
        size_t name = strcspn(column, ",");
        char *end;
        uint64_t value = strtoull(word, &end, 0);
        bool is_number = end != word;
        if (!strncmp(column, "op", name)) {
            if (is_one_of(word, others))
                return;
            write = is_one_of(word, writes);
        } else if (!strncmp(column, "offset", name) && is_number) {
            offset = value, any = true;
        } else if (!strncmp(column, "lba", name) && is_number) {
            offset = value * SECTOR, any = true;
        } else if (!strncmp(column, "length", name) && is_number) {
            length = value;
        } else if (!strncmp(column, "sectors", name) && is_number) {
            length = value * SECTOR;
        }
        column += name + (column[name] == ',');
    }
    if (any)
        add_range(trace, how, write, offset, length);
}

static void read_csv(FILE *file, const struct trace_how *how, struct trace *trace)
{
    char line[LINE];

    while (fgets(line, sizeof line, file))
        if (*line != '#')
            add_line(trace, how, line);
}

static const struct format {
    const char *name;
    void (*read)(FILE *, const struct trace_how *, struct trace *);
} formats[] = {
    { "vscsi", read_vscsi },
    { "lis", read_lis },
    { "u32", read_u32 },
    { "csv", read_csv },
};

/* By its name, or by the last or last but one ending of the path (NAME.lis.zst). */
static const struct format *format_of(const char *path, const char *name)
{
    size_t count = sizeof formats / sizeof *formats;
    char ending[32];

    for (size_t i = 0; i < count; i++) {
        snprintf(ending, sizeof ending, ".%s", formats[i].name);
        const char *at = name ? NULL : strstr(path, ending);
        if (name ? !strcmp(name, formats[i].name)
                 : at && (!at[strlen(ending)] || !strcmp(at + strlen(ending), ".zst")))
            return &formats[i];
    }
    die(name ? name : path, "a format is vscsi, lis, u32 or csv: say it with --format");
}

static FILE *unpack(const char *path, pid_t *child)
{
    int ends[2];

    if (pipe(ends) || (*child = fork()) < 0)
        die(path, "no pipe to zstd");
    if (!*child) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("zstd", "zstd", "-dcq", "--", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "rb");
}

void trace_read(const char *path, const struct trace_how *how, struct trace *trace)
{
    const struct format *format = format_of(path, how->format);
    size_t length = strlen(path);
    bool packed = length > 4 && !strcmp(path + length - 4, ".zst");
    pid_t child = 0;
    int status = 0;

    FILE *file = packed ? unpack(path, &child) : fopen(path, "rb");
    if (!file)
        die(path, "it cannot be opened");
    format->read(file, how, trace);
    fclose(file);
    if (packed && (waitpid(child, &status, 0) != child || status))
        die(path, "zstd -dc fails; is it installed?");
    if (!trace->count)
        die(path, "there is no request in it");
}
