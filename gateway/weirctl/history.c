/* history.c - what was it some readings ago?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "top.h"

void history_push(struct history *history, double value)
{
    history->value[history->count++ % HISTORY_KEPT] = (float)value;
}

double history_ago(const struct history *history, unsigned ago)
{
    if (ago >= history->count || ago >= HISTORY_KEPT)
        return 0;
    return (double)history->value[(history->count - 1 - ago) % HISTORY_KEPT];
}

double history_max(const struct history *history, unsigned newest)
{
    double max = 0;

    for (unsigned ago = 0; ago < newest; ago++)
        if (history_ago(history, ago) > max)
            max = history_ago(history, ago);
    return max;
}
