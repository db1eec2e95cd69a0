/* malloc-first.c - why does a sanitized gateway need a library that does nothing?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * gcc 12's address sanitizer sets itself up in the first malloc(), and looks for a symbol
 * then; not finding it is an error whose text libc translates under its lock of locales.
 * In an nbdkit that preloads the sanitizer the first malloc() comes from newlocale(), in
 * libp11-kit's constructor, under that very lock: which counts -1 readers from then on, and
 * whoever next makes a locale (json-c for each text, the exit) waits for ever.  Preloaded
 * and linked with -z initfirst, this calls malloc() before. */
#include <stdlib.h>

__attribute__((constructor)) static void malloc_first(void)
{
    void *volatile memory = malloc(1); /* volatile: it is not to be left out */
    free(memory);
}
