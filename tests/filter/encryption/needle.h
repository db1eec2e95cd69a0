/* needle.h - is a key somewhere in this memory?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A needle is kept as the key's words, each with a mask, and memory is masked to be compared
 * with it: so that the search finds no copy of its own. */
#ifndef TEST_NEEDLE_H
#define TEST_NEEDLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NEEDLE_WORDS = 8 };
#define NEEDLE_MASK 0xa53c96f00f69c35aull

struct needle {
    size_t count;
    uint64_t masked[NEEDLE_WORDS];
};

static inline uint64_t needle_word(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word ^ NEEDLE_MASK;
}

static inline void needle_add(struct needle *n, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && n->count < NEEDLE_WORDS; i += 8)
        n->masked[n->count++] = needle_word(data + i);
}

/* How often one of the needle's words lies there, aligned or not. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static inline size_t
needle_count(const struct needle *n, const uint8_t *data, size_t size)
{
    size_t found = 0;

    for (size_t at = 0; at + 8 <= size; at++) {
        uint64_t word = needle_word(data + at);
        for (size_t i = 0; i < n->count; i++)
            found += word == n->masked[i];
    }
    return found;
}

#endif
