/* module.c - what does a shared object look like that the loader should take, or refuse?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * modules/meson.build builds it once per case, with -D for what is special about it. */
#include "weir-filter.h"

#ifndef MAGIC
#define MAGIC WEIR_MAGIC
#endif
#ifndef ABI
#define ABI WEIR_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct weir_filter)
#endif
#ifndef OPTION_SIZE
#define OPTION_SIZE sizeof(struct weir_option)
#endif
#ifndef VERSION
#define VERSION "1"
#endif
#ifndef CLASS
#define CLASS WEIR_CLASS_NONE
#endif
#ifndef OPS
#define OPS WEIR_ALL_OPS
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef ALIGN
#define ALIGN 0
#endif
#ifndef FALLBACK
#define FALLBACK "5"
#endif
#ifndef OPTION
#define OPTION                                                                                     \
    WEIR_OPTION_INT(struct config, number, .fallback = FALLBACK, .min = 1, .max = 9,               \
                    .help = "A digit.")
#endif
#ifndef STAT
#define STAT WEIR_STAT_COUNTER(struct stats, count, "requests", "Requests.")
#endif

struct config {
    int64_t number;
    int choice;
};

struct stats {
    weir_counter count;
};

#ifdef WIDE_ROWS /* a newer weir's rows have more at their end */
static const struct {
    struct weir_option option;
    const char *more;
} wide_options[] = {
    { OPTION, "more" },
    { { .name = "choice", .type = WEIR_INT, .at = 0, .fallback = "2", .help = "Two." }, "more" },
    { { 0 }, NULL },
};
#define OPTIONS &wide_options[0].option
#else
static const struct weir_option options[] = { OPTION, { 0 } };
#define OPTIONS options
#endif
static const struct weir_stat stats[] = { STAT, { 0 } };

static enum weir_verdict down(void *self, struct weir_request *req)
{
    (void)self;
    (void)req;
    return WEIR_PASS;
}

static void give_up(void *self, struct weir_request *req)
{
    (void)self;
    (void)req;
}

#ifdef CALL
extern int CALL(void);
int (*module_needs(void))(void);
int (*module_needs(void))(void)
{
    return CALL;
}
#endif

/* A newer weir's struct has more at its end. */
struct newer {
    struct weir_filter filter;
    void (*future)(void);
    long more[8];
};

#ifdef NO_SYMBOL
#define SYMBOL "another_name"
#else
#define SYMBOL "weir_filter"
#endif

__attribute__((visibility("default"))) extern const struct newer module __asm__(SYMBOL);
const struct newer module = {
    .filter = {
        .magic = MAGIC,
        .abi = ABI,
        .size = SIZE,
        .option_size = OPTION_SIZE,
        .stat_size = sizeof(struct weir_stat),
        .verb_size = sizeof(struct weir_verb),
        .name = NAME,
        .version = VERSION,
        .summary = "A module of the tests.",
        .klass = CLASS,
        .flags = FLAGS,
        .ops = OPS,
        .order_align = ALIGN,
        .config_size = sizeof(struct config),
        .stats_size = sizeof(struct stats),
        .options = OPTIONS,
        .stats = stats,
        .down = down,
        .abort = give_up,
    },
    .more = { 1, 2, 3, 4, 5, 6, 7, 8 },
};
