/* main.c - how often does the cache's policy miss, beside LRU, FIFO and who knows the future?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: cache-sim [OPTION]... TRACE...\n"
    "Replays block traces through the filter cache's own policy.  Prints the ratio of references "
    "to\n"
    "blocks of 4 KiB that miss, beside FIFO, LRU and MIN (Belady: it knows the future), and how "
    "often\n"
    "the pool's device is written for each block that is filled, or written by the guest.\n"
    "\n"
    "TRACE is a file, unpacked by zstd if its name ends in .zst, or synthetic:NAME[:SEED] with one "
    "of\n"
    "zipf, uniform, loop, scan, shift, loops, writes.\n"
    "\n"
    "  --format=FORMAT   what the file is, instead of what its name ends in:\n"
    "                      vscsi  VMware's vscsiStats: records of 32 bytes, little-endian\n"
    "                      lis    ARC's: lines of first address, count, two more\n"
    "                      u32    numbers of blocks, little-endian\n"
    "                      csv    lines, columns parted by commas or blanks; # begins a comment\n"
    "  --columns=NAMES   of csv: time,op,offset,length unless told otherwise, which is what the "
    "filter\n"
    "                    inspection's trace has; also lba and sectors (of 512 bytes); others are "
    "skipped.\n"
    "                    op is read or write, R or W, 0 or 1; without a length it is one block\n"
    "  --unit=BYTES      that an address in lis counts (512)\n"
    "  --grid=BYTES      where blocks begin, from 0 to 4095 (0); 3584 for partitions from sector "
    "63 on\n"
    "  --reads-only      passes over writes\n"
    "  --size=SIZES      of the pool, parted by commas: percent of the trace's blocks "
    "(1%,5%,10%,20%,40%),\n"
    "                    or bytes with K, M or G\n"
    "  --mode=MODE       what becomes of writes: write-back (unless told otherwise), "
    "write-through, read\n"
    "  --log=PART        of the pool that is log (0.09)\n"
    "  --free=PART       of the log that is kept free (0)\n"
    "  --small=PART      of the pool that the small queue has, 0.01 to 0.5 (as much as the log)\n"
    "  --autotune        the small queue's length is what miniatures of the pool find best\n"
    "  --ghost=PART      names that are remembered, of the pool's blocks (0.9)\n"
    "  --json            one object for each trace and size, a line each\n"
    "  --help\n";

void die(const char *what, const char *why)
{
    fprintf(stderr, "cache-sim: %s: %s\n", what, why);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        die("the simulation", "there is no memory");
    return memory;
}

struct options {
    struct trace_how trace;
    struct replay_how replay;
    const char *sizes;
    bool json;
};

/* ---- sizes ------------------------------------------------------------------------- */

/* The next of the list; false: there is none. */
static bool next_size(const char **list, uint32_t blocks, char label[32], uint32_t *size)
{
    char *end;

    if (!**list)
        return false;
    double value = strtod(*list, &end);
    if (end == *list || value <= 0)
        die(*list, "a size is a percentage of the trace's blocks, like 5%, or bytes, like 64M");
    snprintf(label, 32, "%.*s", (int)strcspn(*list, ","), *list);
    if (*end == '%') {
        value *= blocks / 100.0;
        end++;
    } else {
        static const char units[] = "KMGT";
        const char *unit = *end ? strchr(units, *end) : NULL;
        for (long power = unit ? unit - units + 1 : 0; power > 0; power--)
            value *= 1024;
        end += unit != NULL;
        value /= 4096;
    }
    if ((*end && *end != ',') || value > UINT32_MAX / 2)
        die(*list, "a size is a percentage of the trace's blocks, like 5%, or bytes, like 64M");
    *list = end + (*end == ',');
    *size = value < 2 ? 2 : (uint32_t)(value + 0.5);
    return true;
}

/* ---- results ------------------------------------------------------------------------ */

/* The sum of what the tables show, for a last line. */
static struct {
    double change, worst;
    int cells;
} all = { .worst = -1 };

static void print_size(const struct options *options, const char *name, const struct trace *trace,
                       const char *label, uint32_t size)
{
    double references = (double)trace->count;
    double fifo = (double)fifo_misses(trace, size) / references;
    double lru = (double)lru_misses(trace, size) / references;
    double min = (double)min_misses(trace, size) / references;
    struct replay r;

    replay(trace, size, &options->replay, &r);
    double policy = r.references ? (double)r.misses / (double)r.references : 0;
    double came = (double)(r.fills + r.rewrites);
    double writes = came > 0 ? 1 + (double)r.moves / came : 0;
    if (options->json) {
        printf(
            "{\"trace\": \"%s\", \"size\": \"%s\", \"blocks\": %" PRIu32
            ", \"references\": %" PRIu64
            ", \"policy\": %.6f, \"lru\": %.6f, \"fifo\": %.6f, \"min\": %.6f, \"fills\": %" PRIu64
            ", \"moves\": %" PRIu64 ", \"promotions\": %" PRIu64 ", \"rewrites\": %" PRIu64
            ", \"tunes\": %u, \"small\": %g}\n",
            name, label, size, r.references, policy, lru, fifo, min, r.fills, r.moves, r.promotions,
            r.rewrites, r.tunes, r.small);
        return;
    }
    double change = lru > 0 ? policy / lru - 1 : 0;
    printf("%8s %9" PRIu32 "  %6.4f  %+6.1f %%  %6.4f  %6.4f  %6.4f   %.3f\n", label, size, policy,
           100 * change, lru, fifo, min, writes);
    all.change += change;
    all.cells++;
    if (change > all.worst)
        all.worst = change;
}

static void print_trace(const struct options *options, const char *path)
{
    struct trace trace = { 0 };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char label[32];
    uint32_t size;

    if (strncmp(path, "synthetic:", 10))
        trace_read(path, &options->trace, &trace);
    else if (!trace_make(path + 10, &trace))
        die(path, "a synthetic trace is zipf, uniform, loop, scan, shift, loops or writes");
    if (!options->json)
        printf("%s: %zu references, %" PRIu32 " blocks\n"
               "    size    blocks  policy   to LRU     LRU    FIFO     MIN  writes/block\n",
               name, trace.count, trace.blocks);
    for (const char *list = options->sizes; next_size(&list, trace.blocks, label, &size);)
        print_size(options, name, &trace, label, size);
    trace_free(&trace);
}

/* ---- options ------------------------------------------------------------------------ */

static double part(const char *option, const char *word, double most)
{
    char *end;
    double value = strtod(word, &end);

    if (end == word || *end || !(value >= 0 && value <= most))
        die(word, option);
    return value;
}

static enum replay_mode mode_of(const char *word)
{
    static const char *const names[] = { "write-back", "write-through", "read" };

    for (int mode = 0; mode < 3; mode++)
        if (!strcmp(word, names[mode]))
            return (enum replay_mode)mode;
    die(word, "a mode is write-back, write-through or read");
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "format", required_argument, NULL, 'f' },
        { "columns", required_argument, NULL, 'c' },
        { "unit", required_argument, NULL, 'u' },
        { "grid", required_argument, NULL, 'g' },
        { "reads-only", no_argument, NULL, 'r' },
        { "size", required_argument, NULL, 's' },
        { "mode", required_argument, NULL, 'm' },
        { "log", required_argument, NULL, 'l' },
        { "free", required_argument, NULL, 'e' },
        { "small", required_argument, NULL, 'q' },
        { "autotune", no_argument, NULL, 'a' },
        { "ghost", required_argument, NULL, 'o' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL },
    };
    struct options options = {
        .trace = { .columns = "time,op,offset,length", .unit = 512 },
        .replay = { .log = POLICY_LOG, .small = POLICY_LOG, .ghost = POLICY_GHOST },
        .sizes = "1%,5%,10%,20%,40%",
    };

    for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        switch (option) {
        case 'f':
            options.trace.format = optarg;
            break;
        case 'c':
            options.trace.columns = optarg;
            break;
        case 'u':
            options.trace.unit = (uint64_t)part("--unit is a number of bytes", optarg, 1 << 20);
            break;
        case 'g':
            options.trace.grid = (uint64_t)part("--grid is from 0 to 4095 bytes", optarg, 4095);
            break;
        case 'r':
            options.trace.reads_only = true;
            break;
        case 's':
            options.sizes = optarg;
            break;
        case 'm':
            options.replay.mode = mode_of(optarg);
            break;
        case 'l':
            options.replay.log = part("--log is a part of the pool, from 0 to 1", optarg, 1);
            break;
        case 'e':
            options.replay.free = part("--free is a part of the log, from 0 to 0.9", optarg, 0.9);
            break;
        case 'q':
            options.replay.small =
                part("--small is a part of the pool, from 0 to 0.5", optarg, 0.5);
            break;
        case 'a':
            options.replay.autotune = true;
            break;
        case 'o':
            options.replay.ghost = part("--ghost is a part of the pool, from 0 to 16", optarg, 16);
            break;
        case 'j':
            options.json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            fputs(help, stderr);
            return 1;
        }
    if (optind == argc)
        die("no trace is named", "see --help");
    for (int i = optind; i < argc; i++)
        print_trace(&options, argv[i]);
    if (!options.json)
        printf("misses against LRU: mean %+.1f %%, worst %+.1f %%\n", 100 * all.change / all.cells,
               100 * all.worst);
    return 0;
}
