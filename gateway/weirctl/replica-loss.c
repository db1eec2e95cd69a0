/* replica-loss.c - what is lost when a group goes over to its target?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A target knows what it has, and when that was written; what the source has written since then it
 * cannot know: so the time since is the most that is lost. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "replica.h"

static double seconds_between(const char *from, uint64_t to)
{
    uint64_t then;

    if (parse_when(from, &then) != 0 || then > to)
        return 0;
    return (double)(to - then) / 1e9;
}

struct loss replica_loss(struct json_object *status, const char *word, struct json_object *point)
{
    uint64_t complete = number_of(status, "complete_lsn"), newest = when_now();
    uint64_t received = number_of(status, "received_lsn");
    struct loss ret = {
        .lsn = complete,
        .time = text_of(status, "complete_time"),
        .unfinished = received > complete ? received - complete : 0,
    };

    if (word && strcmp(word, "latest") != 0) {
        parse_when(ret.time, &newest);
        ret.lsn =
            strncmp(word, "lsn:", 4) == 0 ? strtoull(word + 4, NULL, 10) : number_of(point, "lsn");
        ret.time = text_of(point, "time");
        ret.given_up = complete > ret.lsn ? complete - ret.lsn : 0;
        ret.back = seconds_between(ret.time, newest);
    }
    ret.seconds = seconds_between(ret.time, when_now());
    return ret;
}

void loss_print(const struct loss *loss, struct weir_text *ret)
{
    struct number seconds = latency_number((uint64_t)(loss->seconds * 1e9));
    struct number back = latency_number((uint64_t)(loss->back * 1e9));

    if (!loss->lsn)
        return;
    weir_print(ret, "the last write that is there is LSN %" PRIu64, loss->lsn);
    if (*loss->time)
        weir_print(ret, " of %s", loss->time);
    weir_print(ret, "; what the source wrote after it is lost");
    if (*loss->time)
        weir_print(ret, ": %s at most", seconds.text);
    if (loss->unfinished)
        weir_print(ret, "; %" PRIu64 " LSNs of a set that has not arrived as a whole are not used",
                   loss->unfinished);
    if (loss->given_up)
        weir_print(ret, "; %" PRIu64 " LSNs, %s, that had arrived are given up", loss->given_up,
                   back.text);
}

struct json_object *loss_document(const struct loss *loss)
{
    struct json_object *ret = document();

    add_number(ret, "last_lsn", loss->lsn);
    add_text(ret, "last_time", loss->time);
    add_real(ret, "seconds_at_most", loss->seconds);
    add_number(ret, "unfinished_lsns", loss->unfinished);
    add_number(ret, "given_up_lsns", loss->given_up);
    add_real(ret, "given_up_seconds", loss->back);
    return ret;
}
