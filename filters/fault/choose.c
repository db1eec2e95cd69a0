/* choose.c - which requests does a fault hit?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"

#include <errno.h>
#include <string.h>

static const char *const op_names[WEIR_OP_COUNT] = {
    [WEIR_READ] = "read",       [WEIR_WRITE] = "write", [WEIR_FLUSH] = "flush",
    [WEIR_TRIM] = "trim",       [WEIR_ZERO] = "zero",   [WEIR_PREFETCH] = "prefetch",
    [WEIR_EXTENTS] = "extents",
};

static uint32_t op_mask(const char *word, size_t length)
{
    if (length == 3 && !strncmp(word, "all", 3))
        return WEIR_ALL_OPS;
    for (unsigned op = 0; op < WEIR_OP_COUNT; op++)
        if (strlen(op_names[op]) == length && !strncmp(word, op_names[op], length))
            return WEIR_OP(op);
    return 0;
}

int fault_parse_ops(const char *list, uint32_t *mask, struct weir_text *why)
{
    *mask = 0;
    for (const char *word = list; *(word += strspn(word, ", ")); word += strcspn(word, ", ")) {
        size_t length = strcspn(word, ", ");
        uint32_t found = op_mask(word, length);

        if (!found) {
            weir_print(why,
                       "ops: '%.*s' is not an operation; expected \"all\" or some of read, write, "
                       "flush, trim, zero, prefetch, extents with commas between",
                       (int)length, word);
            return -EINVAL;
        }
        *mask |= found;
    }
    if (!*mask) {
        weir_print(why,
                   "ops: '%s' names no operation; expected \"all\" or, for example, "
                   "\"read,write\"",
                   list);
        return -EINVAL;
    }
    return 0;
}

/* The finaliser of splitmix64: neighbouring numbers become unrelated ones. */
uint64_t fault_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static bool in_range(const struct fault_config *config, const struct weir_request *req)
{
    if (req->op == WEIR_FLUSH)
        return true; /* it has no range: `ops` alone decides */
    uint64_t to = config->to ? config->to : UINT64_MAX;
    return req->offset < to && req->offset + req->length > config->from;
}

static bool take_forced(struct chooser *c)
{
    uint64_t left = atomic_load_explicit(&c->forced, memory_order_relaxed);

    while (left)
        if (atomic_compare_exchange_weak_explicit(&c->forced, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool fault_choose(struct chooser *c, const struct fault_config *config,
                  const struct weir_request *req, uint64_t *luck)
{
    if (!(atomic_load_explicit(&c->ops, memory_order_relaxed) & WEIR_OP(req->op)) ||
        !in_range(config, req))
        return false;
    uint64_t number = atomic_fetch_add_explicit(&c->seen, 1, memory_order_relaxed);
    *luck = fault_mix(fault_mix((uint64_t)config->seed) ^ number);
    if (take_forced(c))
        return true;
    /* the upper 53 bits are a fraction in [0, 1) that a double holds exactly */
    if ((double)(*luck >> 11) * 0x1p-53 >= config->rate)
        return false;
    uint64_t hit = atomic_fetch_add_explicit(&c->hits, 1, memory_order_relaxed);
    return !config->count || hit < (uint64_t)config->count;
}
