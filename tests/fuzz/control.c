/* control.c - can a request line break the gateway?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each line of an input is a request to a real core with two exports on memory.  Every
 * answer must be one line of JSON with a member "ok". */
#include "control/control.h"
#include "control-world.h"

#include <json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *answer)
{
    const char *end = answer ? strchr(answer, '\n') : NULL;
    struct json_object *parsed = answer ? json_tokener_parse(answer) : NULL, *ok;

    if (!end || end[1] || !json_object_object_get_ex(parsed, "ok", &ok)) {
        fprintf(stderr, "this is no answer: %s\n", answer ? answer : "(none)");
        abort();
    }
    json_object_put(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started; /* one world for all inputs: libFuzzer has no end to tear it down at */

    if (!started) {
        world_start();
        atexit(world_stop);
        world_traffic(100);
        started = true;
    }
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) + 1 : size;
        char *answer = control_answer((const char *)data, length);
        judge(answer);
        free(answer);
        data += length;
        size -= length;
    }
    return 0;
}
