/* board.c - what do all gateways say now, and how does it differ from a moment ago?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "top.h"

enum { ASK_MS = 2000, FIRST_MS = 500 };
static const double leave_alone = 10; /* seconds, after a gateway did not answer in time */

void board_init(struct board *board, const struct invocation *invocation, double interval)
{
    *board = (struct board){ .invocation = invocation,
                             .only = invocation->words[0],
                             .interval = interval };
    pthread_mutex_init(&board->lock, NULL);
    pthread_cond_init(&board->changed, NULL);
}

static void disk_destroy(struct disk *disk)
{
    json_object_put(disk->now);
    json_object_put(disk->before);
    json_object_put(disk->control);
    free(disk->gateway);
    free(disk->name);
    free(disk);
}

static void source_finish(struct source *source)
{
    control_close(source->control);
    json_object_put(source->show);
    free(source->name);
}

void board_finish(struct board *board)
{
    for (size_t i = 0; i < board->count; i++)
        disk_destroy(board->disks[i]);
    for (size_t i = 0; i < board->source_count; i++)
        source_finish(&board->sources[i]);
    free(board->disks);
    free(board->sources);
    json_object_put(board->datastores);
    pthread_cond_destroy(&board->changed);
    pthread_mutex_destroy(&board->lock);
}

/* ---- gateways ---------------------------------------------------------------- */

static bool has_source(const struct board *board, const char *name)
{
    for (size_t i = 0; i < board->source_count; i++)
        if (strcmp(board->sources[i].name, name) == 0)
            return true;
    return false;
}

/* Gateways come while we look. */
static void find_sources(struct board *board)
{
    const char *wanted = board->invocation->option[OPTION_GATEWAY];
    cleanup_free char **names = enough(control_gateways(run_folder(board->invocation)));

    for (char **name = names; *name; name++) {
        if (has_source(board, *name) || (wanted && strcmp(wanted, *name) != 0))
            continue;
        hold_lock(&board->lock);
        board->sources =
            enough(reallocarray(board->sources, board->source_count + 1, sizeof(*board->sources)));
        board->sources[board->source_count++] =
            (struct source){ .name = enough(strdup(*name)), .trouble = "" };
    }
}

static const char *trouble_of(int error)
{
    switch (error) {
    case 0:
        return "";
    case -ECONNREFUSED:
    case -ENOENT:
        return "does not run";
    case -ETIMEDOUT:
        return "does not answer";
    case -ESHUTDOWN:
        return "went away";
    case -EACCES:
        return "may not be asked by this user";
    default:
        return "answers nonsense";
    }
}

/* Without the lock: this is what may take time.  NULL when it did not answer. */
static struct json_object *ask(const struct board *board, struct source *source, int *error)
{
    struct json_object *question = request("show", NULL), *answer = NULL;
    const char *message;

    if (board->only)
        add_text(question, "export", board->only);
    *error = 0;
    if (!source->control)
        *error = control_connect(run_folder(board->invocation), source->name, &source->control);
    if (!*error)
        *error =
            control_call(source->control, question, timeout_ms(board->invocation, ASK_MS), &answer);
    json_object_put(question);
    if (*error) {
        control_close(source->control);
        source->control = NULL;
    } else if (control_error(answer, &message)) {
        /* it has no such export: an answer without exports */
        json_object_put(answer);
        answer = document();
    }
    return answer;
}

/* ---- disks ------------------------------------------------------------------- */

static struct disk *find_disk(struct board *board, const char *gateway, const char *name)
{
    for (size_t i = 0; i < board->count; i++)
        if (strcmp(board->disks[i]->name, name) == 0 &&
            strcmp(board->disks[i]->gateway, gateway) == 0)
            return board->disks[i];
    struct disk *disk = enough(calloc(1, sizeof(*disk)));
    disk->gateway = enough(strdup(gateway));
    disk->name = enough(strdup(name));
    board->disks = enough(reallocarray(board->disks, board->count + 1, sizeof(*board->disks)));
    board->disks[board->count++] = disk;
    return disk;
}

static void push_past(struct pace *pace)
{
    history_push(&pace->iops_past, pace->iops);
    history_push(&pace->bytes_past, pace->read + pace->write);
    history_push(&pace->p99_past, (double)pace->p99);
}

static void take_pace(struct disk *disk)
{
    struct json_object *now = member_of(disk->now, "ops"), *before = member_of(disk->before, "ops");
    struct pace *pace = &disk->pace;
    struct measure all, read, write;

    pace->in_flight = number_of(disk->now, "in_flight");
    pace->waiting = number_of(disk->now, "waiting");
    pace->connections = number_of(disk->now, "connections");
    if (!disk->before || disk->seconds <= 0)
        return;
    measure(now, before, MEASURED_OPS, &all, NULL);
    measure(now, before, WEIR_OP(WEIR_READ), &read, NULL);
    measure(now, before, WEIR_OP(WEIR_WRITE), &write, NULL);
    pace->iops = (double)all.requests / disk->seconds;
    pace->read = (double)read.bytes / disk->seconds;
    pace->write = (double)write.bytes / disk->seconds;
    pace->p50 = all.p50;
    pace->p99 = all.p99;
    push_past(pace);
}

static void take_entry(struct board *board, const struct source *source, struct json_object *entry,
                       double seconds, bool same_life)
{
    struct disk *disk = find_disk(board, source->name, text_of(entry, "name"));

    json_object_put(disk->before);
    disk->before = same_life && disk->reading == board->readings ? disk->now : NULL;
    if (!disk->before)
        json_object_put(disk->now);
    disk->now = json_object_get(entry);
    json_object_put(disk->control);
    disk->control = control_document(disk->now, disk->before);
    disk->seconds = seconds;
    disk->uptime = source->uptime;
    disk->reading = board->readings + 1;
    take_pace(disk);
}

/* Takes the answer over. */
static void take_answer(struct board *board, struct source *source, struct json_object *answer,
                        int error)
{
    double now = now_seconds();
    struct json_object *about = member_of(answer, "gateway"),
                       *exports = member_of(answer, "exports");
    hold_lock(&board->lock);

    bool same_life = source->show && number_of(member_of(source->show, "gateway"), "pid") ==
                                         number_of(about, "pid");
    source->trouble = trouble_of(error);
    source->hangs = error == -ETIMEDOUT;
    source->uptime = (double)number_of(about, "uptime_s");
    for (size_t i = 0; i < items_of(exports); i++) {
        struct json_object *entry = json_object_array_get_idx(exports, i);
        if (!board->only || strcmp(board->only, text_of(entry, "name")) == 0)
            take_entry(board, source, entry, now - source->asked, same_life);
    }
    json_object_put(source->show);
    source->show = answer;
    source->asked = now;
    if (error == -ETIMEDOUT)
        source->not_before = now + leave_alone;
}

static bool hangs(const struct board *board, const char *gateway)
{
    for (size_t i = 0; i < board->source_count; i++)
        if (strcmp(board->sources[i].name, gateway) == 0)
            return board->sources[i].hangs;
    return false;
}

static void be_silent(struct pace *pace)
{
    pace->iops = pace->read = pace->write = 0;
    pace->p50 = pace->p99 = 0;
    push_past(pace);
}

/* What a gateway that hangs said last is not what is. */
static void take_datastores(struct board *board)
{
    cleanup_free struct reading *disks = enough(calloc(board->count + 1, sizeof(*disks)));
    size_t count = 0;

    for (size_t i = 0; i < board->count; i++) {
        const struct disk *disk = board->disks[i];
        if (!disk->silent)
            disks[count++] = (struct reading){ disk->gateway, disk->now, disk->before };
    }
    json_object_put(board->datastores);
    board->datastores = control_datastores(disks, count);
}

/* Those that this reading did not have are gone, but for those of a gateway that hangs;
 * the total is of those that stay. */
static void finish_reading(struct board *board)
{
    struct pace *total = &board->total;
    uint64_t p50 = 0, p99 = 0;
    size_t kept = 0;
    hold_lock(&board->lock);

    board->readings++;
    total->iops = total->read = total->write = 0;
    total->in_flight = total->waiting = total->connections = 0;
    for (size_t i = 0; i < board->count; i++) {
        struct disk *disk = board->disks[i];
        disk->silent = disk->reading != board->readings;
        if (disk->silent && !hangs(board, disk->gateway)) {
            disk_destroy(disk);
            continue;
        }
        if (disk->silent)
            be_silent(&disk->pace);
        board->disks[kept++] = disk;
        total->iops += disk->pace.iops;
        total->read += disk->pace.read;
        total->write += disk->pace.write;
        total->in_flight += disk->pace.in_flight;
        total->waiting += disk->pace.waiting;
        total->connections += disk->pace.connections;
        p50 = disk->pace.p50 > p50 ? disk->pace.p50 : p50;
        p99 = disk->pace.p99 > p99 ? disk->pace.p99 : p99;
    }
    board->count = kept;
    take_datastores(board);
    total->p50 = p50; /* of the slowest disk: percentiles do not add up */
    total->p99 = p99;
    if (board->readings > 1)
        push_past(total);
}

void board_read(struct board *board)
{
    find_sources(board);
    for (size_t i = 0; i < board->source_count; i++) {
        struct source *source = &board->sources[i];
        int error;
        if (source->not_before > now_seconds())
            continue;
        struct json_object *answer = ask(board, source, &error);
        take_answer(board, source, answer, error);
    }
    finish_reading(board);
}

/* ---- the sampler ------------------------------------------------------------- */

/* Sleeps for the interval, less what the last reading took.  False: it is over. */
static bool wait_turn(struct board *board, double begun)
{
    hold_lock(&board->lock);

    while (!board->stop) {
        double interval = board->readings == 1 && board->interval * 1000 > FIRST_MS
                              ? FIRST_MS / 1000.0
                              : board->interval;
        double until = begun + interval;
        if (!board->paused && now_seconds() >= until)
            return true;
        if (board->paused) {
            pthread_cond_wait(&board->changed, &board->lock);
            continue;
        }
        clock_wait(&board->changed, &board->lock, (uint64_t)(until * 1e9));
    }
    return false;
}

static void *run_sampler(void *arg)
{
    struct board *board = arg;
    double begun;

    do {
        begun = now_seconds();
        board_read(board);
    } while (wait_turn(board, begun));
    return NULL;
}

int board_start(struct board *board, pthread_t *thread)
{
    return -pthread_create(thread, NULL, run_sampler, board);
}
