/* header.c - can what stands in a LUKS header break what opens it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is the beginning of a disk.  It is opened as it is, and again with right checksums,
 * which are hard to guess, and as the text of a LUKS2 header whose binary part is right. */
#include "header-judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig *rig;      /* made once, as each input begins with the same disk */
static struct secret volume; /* of it */

static void judge(void)
{
    bool opened;
    const char *wrong = judge_header(rig, "key", &volume, &opened);

    if (wrong) {
        fprintf(stderr, "this must not be: %s\n", wrong);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { JSON = 4096, HEADER = 16384 };

    if (!rig) {
        rig_begin();
        rig = rig_create();
        rig_format(rig, 2, 256, "key", &volume);
    }
    rig_back(rig);
    memcpy(rig->disk, data, size < 2 * HEADER ? size : 2 * HEADER);
    judge();
    rig_back(rig);
    memcpy(rig->disk, data, size < 2 * HEADER ? size : 2 * HEADER);
    judge_checksums(rig);
    judge();
    rig_back(rig);
    for (int copy = 0; copy < 2; copy++) {
        uint8_t *json = rig->disk + copy * HEADER + JSON;
        memset(json, 0, HEADER - JSON);
        memcpy(json, data, size < HEADER - JSON ? size : HEADER - JSON - 1);
    }
    judge_checksums(rig);
    judge();
    return 0;
}
