/* top.c - is there a screen to watch disks on, or do lines have to do?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "top.h"

static enum exit_code sort_wanted(const struct invocation *invocation, enum sort *sort)
{
    const char *word = invocation->option[OPTION_SORT];
    cleanup_text struct weir_text near = { 0 };

    if (!word)
        return DONE;
    for (enum sort i = 0; i < SORT_COUNT; i++)
        if (strcmp(word, sort_names[i]) == 0) {
            *sort = i;
            return DONE;
        }
    print_nearest(&near, word, sort_names);
    return say_misuse(invocation,
                      "--sort=%s: name, iops, read, write, p50, p99 or queue is expected%s", word,
                      text_string(&near));
}

enum exit_code ctl_top(const struct invocation *invocation)
{
    double interval = 1;
    uint64_t readings = 0;
    enum sort sort = SORT_NAME;
    struct board board;
    enum exit_code code = option_seconds(invocation, OPTION_INTERVAL, 0.05, &interval);

    if (!code)
        code = option_count(invocation, OPTION_BATCH, 1, &readings);
    if (!code)
        code = sort_wanted(invocation, &sort);
    if (!code) { /* a word about what is wrong is better than an empty screen */
        cleanup_gateways struct gateways all = { 0 };
        struct gateway *owner;
        struct json_object *entry;
        code = gateways_open(invocation, &all);
        if (!code && invocation->words[0])
            code = gateways_find_export(invocation, &all, invocation->words[0], &owner, &entry);
    }
    if (code)
        return code;
    board_init(&board, invocation, interval);
    bool lines = readings || invocation->option[OPTION_JSON] || !isatty(STDOUT_FILENO) ||
                 !isatty(STDIN_FILENO);
    code = lines ? top_lines(invocation, &board, sort, readings)
                 : top_screen(invocation, &board, sort);
    board_finish(&board);
    return code;
}
