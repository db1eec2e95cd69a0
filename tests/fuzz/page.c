/* page.c - can a page of the other site break what reads it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is a page, or its beginning.  It is read as it is, and with right checksums as a status
 * and as a command.  What is understood makes sense, and is written back as it was understood. */
#include "page.h"

#include "encode.h"
#include "seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct frame_key key = { "no input of the corpus has it" };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

static void judge_lineage(const struct lineage *l)
{
    check(l->count <= GENERATIONS, "a lineage has its limits");
    for (unsigned i = 0; i < l->count; i++)
        check(l->list[i].id && (i < 2 || l->list[i].end <= l->list[i - 1].end),
              "generations follow one another");
    check(!l->count || lineage_compare(l, 9, l, 9, NULL) == KIN_SAME,
          "whoever is compared with itself is the same");
}

static void judge_status(const uint8_t *page)
{
    uint8_t once[PAGE_BYTES], twice[PAGE_BYTES];
    struct status s;

    if (status_read(page, &s, NULL))
        return;
    judge_lineage(&s.lineage);
    check(memchr(s.error, 0, sizeof(s.error)) != NULL, "a sentence ends");
    check(s.role == ROLE_TARGET || s.role == ROLE_PRIMARY, "a role is one");
    check(s.trimmed <= s.end && s.complete_lsn <= s.durable_lsn && s.durable_lsn <= s.received_lsn,
          "numbers are in order");
    status_write(&s, once);
    check(!status_read(once, &s, NULL), "it is understood again");
    status_write(&s, twice);
    check(!memcmp(once, twice, PAGE_BYTES), "as it was");
}

static void judge_command(const uint8_t *page)
{
    uint8_t once[PAGE_BYTES], twice[PAGE_BYTES];
    struct command c;

    check(command_read(page, &key, &c, NULL) != 0, "nobody can guess a tag");
    if (command_read(page, NULL, &c, NULL))
        return;
    judge_lineage(&c.lineage);
    check(c.op >= COMMAND_ACQUIRE && c.op <= COMMAND_RETURN && c.lineage.count, "it says what");
    check(!command_write(&c, NULL, once) && !command_read(once, NULL, &c, NULL) &&
              !command_write(&c, NULL, twice) && !memcmp(once, twice, PAGE_BYTES),
          "it is understood again, as it was");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const magic[] = { "WEIRSTAT", "WEIRCMND" };
    uint8_t *page = calloc(1, PAGE_BYTES); /* exactly: a sanitizer sees a read past it */

    if (!page)
        return 0;
    memcpy(page, data, size < PAGE_BYTES ? size : PAGE_BYTES);
    judge_status(page);
    judge_command(page);
    for (int i = 0; i < 2; i++) {
        memcpy(page, magic[i], 8);
        put32(page + 8, 1);
        put32(page + PAGE_BYTES - 4, seal_crc(page, PAGE_BYTES - 4));
        judge_status(page);
        judge_command(page);
    }
    free(page);
    return 0;
}
