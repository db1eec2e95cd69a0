/* trace.c - how does the trace read, and what can be written between its lines?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "inspection.h"
#include "instant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[WEIR_OP_COUNT] = {
    [WEIR_READ] = "read",       [WEIR_WRITE] = "write", [WEIR_FLUSH] = "flush",
    [WEIR_TRIM] = "trim",       [WEIR_ZERO] = "zero",   [WEIR_PREFETCH] = "prefetch",
    [WEIR_EXTENTS] = "extents",
};

static void print_flags(uint32_t flags, struct weir_text *text)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } known[] = {
        { WEIR_FUA, "fua" },         { WEIR_MAY_TRIM, "may-trim" },
        { WEIR_FAST_ZERO, "fast" },  { WEIR_ONE_EXTENT, "one" },
        { WEIR_DERIVED, "derived" }, { WEIR_BACKGROUND, "background" },
    };
    const char *comma = "";

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (flags & known[i].flag) {
            weir_print(text, "%s%s", comma, known[i].name);
            comma = ",";
        }
    if (!*comma)
        weir_print(text, "-");
}

static void print_time(uint64_t ns, struct weir_text *text)
{
    weir_print(text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

static void print_entry(const struct trace_entry *entry, uint64_t epoch, struct weir_text *text)
{
    const char *error = entry->error ? strerrorname_np(entry->error) : "-";

    print_time(entry->time + epoch, text);
    weir_print(text, " %s %" PRIu64 " %" PRIu64 " ", op_names[entry->op], entry->offset,
               entry->length);
    print_flags(entry->flags, text);
    weir_print(text, " %" PRIu64 " %s\n", entry->latency, error ? error : "?");
}

/* Prints the marks made up to `until`; *from is the first one not yet printed. */
static void print_marks(const struct inspection *in, unsigned *from, uint64_t until, uint64_t epoch,
                        struct weir_text *text)
{
    for (; *from < MARKS; ++*from) {
        const struct mark *mark = &in->marks[(in->next_mark + *from) % MARKS];

        if (mark->time > until)
            return;
        if (mark->time <= in->cleared)
            continue;
        print_time(mark->time + epoch, text);
        weir_print(text, " mark %s\n", mark->text);
    }
}

void trace_show(void *self, struct weir_text *text)
{
    struct inspection *in = self;
    /* what CLOCK_MONOTONIC must be given to become the time of day, now */
    uint64_t epoch = wall_ns() - now_ns();
    struct trace_entry *entries;
    size_t count;
    unsigned mark = 0;

    if (ring_read(in->ring, &entries, &count) < 0) {
        weir_print(text, "# no memory to show the trace\n");
        return;
    }
    weir_print(text, "# time op offset length flags latency_ns error\n");
    pthread_mutex_lock(&in->lock);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].time <= in->cleared)
            continue;
        print_marks(in, &mark, entries[i].time, epoch, text);
        print_entry(&entries[i], epoch, text);
    }
    print_marks(in, &mark, UINT64_MAX, epoch, text);
    pthread_mutex_unlock(&in->lock);
    free(entries);
}

int trace_clear(void *self, const char *arguments, struct weir_text *said)
{
    struct inspection *in = self;

    if (*arguments) {
        weir_print(said, "clear: '%s' is too much; expected nothing after the word", arguments);
        return -EINVAL;
    }
    pthread_mutex_lock(&in->lock);
    in->cleared = now_ns();
    pthread_mutex_unlock(&in->lock);
    weir_print(said, "the trace is empty");
    return 0;
}

int trace_mark(void *self, const char *arguments, struct weir_text *said)
{
    struct inspection *in = self;
    size_t length = strlen(arguments);

    if (!length || length > MARK_LENGTH || strchr(arguments, '\n')) {
        weir_print(said, "mark: '%s' cannot be a mark; expected one line of 1 to %d bytes",
                   arguments, MARK_LENGTH);
        return -EINVAL;
    }
    pthread_mutex_lock(&in->lock);
    struct mark *mark = &in->marks[in->next_mark++ % MARKS];
    mark->time = now_ns();
    memcpy(mark->text, arguments, length + 1);
    pthread_mutex_unlock(&in->lock);
    weir_print(said, "marked");
    return 0;
}
