/* lines.c - what does weirctl top say where there is no screen?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"

static void wall_time(char text[32])
{
    time_t now = time(NULL);
    struct tm broken;

    strftime(text, 32, "%FT%TZ", gmtime_r(&now, &broken));
}

static struct json_object *disk_document(const struct disk *disk)
{
    static const char *const same[] = { "state",     "reason",  "compliance",  "policy",
                                        "in_flight", "waiting", "connections", NULL };
    struct json_object *ret = document();

    add_text(ret, "gateway", disk->gateway);
    add_text(ret, "name", disk->name);
    for (size_t i = 0; same[i]; i++)
        add_copy(ret, same[i], disk->now);
    add_real(ret, "iops", disk->pace.iops);
    add_real(ret, "read_bytes_per_s", disk->pace.read);
    add_real(ret, "write_bytes_per_s", disk->pace.write);
    add_number(ret, "p50_ns", disk->pace.p50);
    add_number(ret, "p99_ns", disk->pace.p99);
    if (disk->control)
        add_item(ret, "control", json_object_get(disk->control));
    return ret;
}

/* One document per reading and line. */
static void print_document_line(struct board *board, struct disk **disks, size_t count)
{
    struct json_object *ret = document(), *exports = enough(json_object_new_array());
    struct json_object *sources = enough(json_object_new_array());
    char time_text[32];

    wall_time(time_text);
    add_text(ret, "time", time_text);
    for (size_t i = 0; i < board->source_count; i++) {
        struct json_object *source = document();
        add_text(source, "name", board->sources[i].name);
        add_flag(source, "answers", board->sources[i].show != NULL);
        add_text(source, "trouble", board->sources[i].trouble);
        json_object_array_add(sources, source);
    }
    for (size_t i = 0; i < count; i++)
        json_object_array_add(exports, disk_document(disks[i]));
    add_item(ret, "gateways", sources);
    add_item(ret, "exports", exports);
    add_item(ret, "datastores", json_object_get(board->datastores));
    puts(json_object_to_json_string_ext(ret,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(ret);
}

static void print_title(void)
{
    printf("%-20s %-16s %-8s %7s %12s %12s %8s %8s %6s\n", "TIME", "EXPORT", "STATE", "IOPS",
           "READ", "WRITE", "P50", "P99", "QUEUE");
}

/* Padding counts columns, not bytes: "µs" is two of the one and three of the other. */
static void print_right(const char *text, int columns)
{
    printf(" %*s%s", columns > text_width(text) ? columns - text_width(text) : 0, "", text);
}

static void print_lines(struct board *board, struct disk **disks, size_t count)
{
    char time_text[32];

    wall_time(time_text);
    for (size_t i = 0; i < count; i++) {
        const struct pace *pace = &disks[i]->pace;
        int pad = 16 - text_width(disks[i]->name);
        printf("%s %s%*s %-8s", time_text, disks[i]->name, pad > 0 ? pad : 0, "",
               disks[i]->silent ? "silent" : text_of(disks[i]->now, "state"));
        print_right(count_number(pace->iops).text, 7);
        print_right(rate_number(pace->read).text, 12);
        print_right(rate_number(pace->write).text, 12);
        print_right(latency_number(pace->p50).text, 8);
        print_right(latency_number(pace->p99).text, 8);
        print_right(count_number((double)(pace->in_flight + pace->waiting)).text, 6);
        putchar('\n');
    }
    for (size_t i = 0; i < board->source_count; i++)
        if (*board->sources[i].trouble)
            fprintf(stderr, "weirctl: gateway \"%s\" %s\n", board->sources[i].name,
                    board->sources[i].trouble);
}

enum exit_code top_lines(const struct invocation *invocation, struct board *board, enum sort sort,
                         uint64_t readings)
{
    bool json = invocation->option[OPTION_JSON] != NULL;

    if (!json)
        print_title();
    board_read(board); /* the first has nothing to compare with */
    for (uint64_t done = 0; !readings || done < readings; done++) {
        wait_seconds(board->interval);
        board_read(board);
        size_t count;
        cleanup_free struct disk **disks = disks_sorted(board, sort, false, "", &count);
        if (json)
            print_document_line(board, disks, count);
        else
            print_lines(board, disks, count);
        enum exit_code code = finish_output(invocation);
        if (code || ferror(stdout))
            return code;
    }
    return DONE;
}
