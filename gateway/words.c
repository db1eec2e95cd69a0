/* words.c - which of the known words did the user probably mean?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 255 }; /* a longer word is not a typing slip of any of ours */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
 * Case does not count. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LONGEST + 1], *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        int x = tolower((unsigned char)a[i - 1]);
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            int y = tolower((unsigned char)b[j - 1]);
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_length];
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    unsigned best = LONGEST;
    size_t length = strlen(word);

    if (length > LONGEST || !words)
        return NULL;
    for (; *words; words++) {
        size_t other = strlen(*words);
        if (other > LONGEST)
            continue;
        unsigned allowed = (unsigned)(length > other ? length : other) / 3;
        unsigned far = distance(word, length, *words, other);
        if (far <= allowed && far < best) {
            best = far;
            nearest = *words;
        }
    }
    return nearest;
}
