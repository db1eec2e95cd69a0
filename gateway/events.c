/* events.c - what has happened, one line each, for people and for poll()?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "events.h"

#include "clock.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One ring per process: a reader of `events` wants them all in one order. */
static struct {
    pthread_mutex_t lock; /* all of this; taken last, nothing is taken under it */
    pthread_cond_t more;
    char *line[EVENTS_KEPT]; /* number n is at n % EVENTS_KEPT */
    uint64_t last;           /* number of the newest; the first is 1 */
    unsigned woken;
    void (*log)(enum weir_severity, const char *line);
} events = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

void events_log_to(void (*write_line)(enum weir_severity, const char *line))
{
    hold_lock(&events.lock);
    events.log = write_line;
}

/* What a client may have named, as BASE@POINT, is quoted where it could pass for more than a name.
 */
static void print_name(struct weir_text *t, const char *key, const char *name)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/@:+%";

    if (!name)
        return;
    weir_print(t, " %s=", key);
    if (*name && !name[strspn(name, plain)])
        weir_print(t, "%s", name);
    else
        text_quote(t, name);
}

static void print_time_now(struct weir_text *t)
{
    struct timespec now;
    struct tm utc;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    weir_print(t, "time=%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void keep(char *line)
{
    hold_lock(&events.lock);

    char **place = &events.line[++events.last % EVENTS_KEPT];
    free(*place);
    *place = line;
    pthread_cond_broadcast(&events.more);
}

void event_post(enum weir_severity severity, const char *export, const char *filter,
                const char *format, ...)
{
    static const char *const names[] = { "info", "warning", "error" };
    cleanup_text struct weir_text line = { 0 };
    cleanup_free char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    print_time_now(&line);
    weir_print(&line, " severity=%s", names[severity]);
    print_name(&line, "export", export);
    print_name(&line, "filter", filter);
    weir_print(&line, " text=");
    text_quote(&line, text ? text : format); /* a line is one line whatever a message holds */
    char *copy = strdup(text_string(&line));
    if (copy)
        keep(copy);

    void (*log)(enum weir_severity, const char *) = NULL;
    pthread_mutex_lock(&events.lock);
    log = events.log;
    pthread_mutex_unlock(&events.lock);
    if (log)
        log(severity, text_string(&line));
    else
        fprintf(stderr, "weir: %s\n", text_string(&line));
}

int events_read(uint64_t after, int timeout_ms, struct weir_text *text, uint64_t *last)
{
    const uint64_t until = clock_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;

    hold_lock(&events.lock);
    unsigned woken = events.woken;
    int r = 0;
    while (events.last <= after && events.woken == woken && timeout_ms && r != ETIMEDOUT)
        r = timeout_ms < 0 ? pthread_cond_wait(&events.more, &events.lock)
                           : clock_wait(&events.more, &events.lock, until);
    uint64_t n = events.last > EVENTS_KEPT ? events.last - EVENTS_KEPT : 0;
    for (n = n > after ? n : after; n < events.last; n++)
        if (events.line[(n + 1) % EVENTS_KEPT])
            weir_print(text, "%s\n", events.line[(n + 1) % EVENTS_KEPT]);
    *last = events.last;
    return 0;
}

void events_wake(void)
{
    hold_lock(&events.lock);

    events.woken++;
    pthread_cond_broadcast(&events.more);
}
