/* test-crash.c - does a vault keep what it has promised, wherever the power goes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source and an administrator do at random what they do; all that lasts is recorded, and then the
 * power is lost at many moments, with a random part of what was not synced.  Each state is opened
 * and judged: it has what was said to be durable; heads are state(k) of the last complete LSN, but
 * for what is needed; what a primary has flushed is there; role, token and generation are what they
 * were before or after.  Some go on: the source sends what is missing, and the heads are its disks.
 *
 *   test-crash       CRASH_STATES (2000, or 500) states, by CRASH_JOBS (2) processes
 *   test-crash STEP  without a step of step.h: fails if no illegal state is found
 *   CRASH_SEED=n     the first seed; each run prints its own
 *   CRASH_MOMENT=n   of that run alone */
#include "crash-life.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step.h"
#include "text.h"

static enum step left_out; /* set once, by main() */
static uint64_t states;    /* that were judged, by this process */

bool does(enum step step)
{
    return step != left_out;
}

static const struct {
    const char *name;
    enum step step;
} steps[] = {
    { "log-sync-name", LOG_SYNC_NAME },
    { "log-sync-data", LOG_SYNC_DATA },
    { "log-sync-found", LOG_SYNC_FOUND },
    { "log-hand-over", LOG_HAND_OVER },
    { "log-cut", LOG_CUT },
    { "log-cut-sync", LOG_CUT_SYNC },
    { "apply-set", APPLY_SET },
    { "apply-heads", APPLY_HEADS },
    { "apply-names", APPLY_NAMES },
    { "apply-record", APPLY_RECORD },
    { "promote-cut", PROMOTE_CUT },
    { "promote-save", PROMOTE_SAVE },
    { "demote-needs", DEMOTE_NEEDS },
    { "command-save", COMMAND_SAVE },
};

/* ---- judging
 * ------------------------------------------------------------------------------------- */

/* What stands at a moment: what it said last, and what it said next. */
struct between {
    const struct status *before, *after;
};

static struct between promised(const struct life *l, size_t moment)
{
    unsigned i = 0;

    while (i + 1 < l->promises && l->promise[i + 1].ops <= moment)
        i++;
    return (struct between){ &l->promise[i].said,
                             &l->promise[i + 1 < l->promises ? i + 1 : i].said };
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t newest(const struct status *s)
{
    return s->lineage.count ? s->lineage.list[0].id : 0;
}

static bool judge_status(struct life *l, const struct status *s, struct between p)
{
    if (s->received_lsn < least(p.before->durable_lsn, p.after->durable_lsn))
        return life_fails(l, "LSN %" PRIu64 " was durable, and %" PRIu64 " is there",
                          p.before->durable_lsn, s->received_lsn);
    if (s->complete_lsn < least(p.before->complete_lsn, p.after->complete_lsn))
        return life_fails(l, "state(%" PRIu64 ") was complete, and state(%" PRIu64 ") is there",
                          p.before->complete_lsn, s->complete_lsn);
    if (s->token < p.before->token || s->token > p.after->token)
        return life_fails(l, "the token is %" PRIu64 ", not %" PRIu64 " or %" PRIu64, s->token,
                          p.before->token, p.after->token);
    if (s->role != p.before->role && s->role != p.after->role)
        return life_fails(l, "the role is another one");
    if (s->role == ROLE_PRIMARY && newest(s) != newest(p.before) && newest(s) != newest(p.after))
        return life_fails(l, "its generation is another one");
    if (s->role == ROLE_PRIMARY && s->received_lsn != s->complete_lsn)
        return life_fails(l, "a primary has a set that is not complete");
    return s->mismatches == 0 || life_fails(l, "a VERIFY found a difference");
}

/* Was that byte written there by the primary, and not flushed over since?  `base`: it may be none
 * of its writes. */
static bool own_byte(const struct life *l, uint64_t generation, unsigned disk, uint32_t at,
                     size_t moment, const uint8_t *sector, bool *base)
{
    bool flushed = false;

    *base = true;
    for (unsigned i = l->owns; i--;) {
        const struct own_write *w = &l->own[i];
        if (w->generation != generation || w->disk != disk || w->ops > moment)
            continue;
        if (w->flush) {
            flushed = true;
        } else if (w->offset <= at && at < w->offset + w->length) {
            bool same = true;
            for (unsigned b = 0; b < SECTOR; b++)
                same &= sector[b] == w->byte;
            if (same)
                return true;
            if (flushed) {
                *base = false;
                return false;
            }
        }
    }
    return false;
}

static bool judge_head(struct life *l, struct group *g, const struct status *s, unsigned disk,
                       size_t moment)
{
    const bool primary = s->role == ROLE_PRIMARY;
    const uint64_t lsn = primary ? g->record.promoted_lsn : s->complete_lsn;
    const uint8_t *state = model_state(&l->model, disk, lsn);
    static uint8_t data[MODEL_SIZE];
    uint8_t bits[(MODEL_GRANULES + 7) / 8];

    if (file_read(g->disks[disk].head, data, sizeof(data), 0))
        return life_fails(l, "head %u cannot be read", disk);
    group_needs(g, disk, bits, sizeof(bits), 0);
    for (uint32_t at = 0; at < MODEL_SIZE; at += SECTOR) {
        const unsigned granule = at / MAP_GRANULE;
        bool base = true;
        if (!primary && bits[granule / 8] >> granule % 8 & 1)
            continue;
        if (primary && own_byte(l, newest(s), disk, at, moment, data + at, &base))
            continue;
        if (!base || memcmp(data + at, state + at, SECTOR) != 0)
            return life_fails(l, "head %u at %u is not state(%" PRIu64 ")%s", disk, at, lsn,
                              primary ? ", nor written here" : "");
    }
    return true;
}

/* A point of now: base and index and log. */
static bool judge_view(struct life *l, struct group *g, const struct status *s, unsigned disk)
{
    static uint8_t data[MODEL_SIZE];
    struct weir_text why = { 0 };
    struct weir_request req = { .op = WEIR_READ, .length = MODEL_SIZE, .data = data };
    struct view *view;
    int r = view_open(g, disk, "latest", NULL, false, &view, &why);

    if (!r) {
        r = view_serve(view, &req);
        view_close(view);
    }
    if (r)
        life_fails(l, "the latest point cannot be read: %s (%s)", text_string(&why), strerror(-r));
    text_finish(&why);
    if (r)
        return false;
    return memcmp(data, model_state(&l->model, disk, s->complete_lsn), MODEL_SIZE) == 0 ||
           life_fails(l, "the latest point of disk %u is not state(%" PRIu64 ")", disk,
                      s->complete_lsn);
}

struct tail {
    struct medium *medium;
    uint64_t end;
};

static int judge_segment(void *arg, const char *name)
{
    const struct tail *t = arg;
    struct medium_file *file;
    uint64_t size, start;

    if (strncmp(name, "log.", 4) != 0)
        return 0;
    start = strtoull(name + 4, NULL, 16);
    if (t->medium->open(t->medium, name, MEDIUM_READ_ONLY, &file))
        return -EIO;
    int r = file->size(file, &size);
    file->close(file);
    return r ? r : size && start + size > t->end;
}

static bool judge(struct life *l, struct group *g, size_t moment)
{
    const struct between p = promised(l, moment);
    struct status s;
    bool good;

    group_status(g, &s);
    const struct tail tail = { g->medium, s.end };
    good = judge_status(l, &s, p);
    if (good && g->medium->list(g->medium, judge_segment, (void *)&tail))
        good = life_fails(l, "something lies behind the end of the log");
    for (unsigned i = 0; good && s.complete_lsn && i < MODEL_DISKS; i++) {
        good = judge_head(l, g, &s, i, moment);
        if (good && g->index)
            good = judge_view(l, g, &s, i);
    }
    return good;
}

/* ---- one death ----------------------------------------------------------------------------------
 */

static bool go_on(struct life *l, struct memory *memory, struct group *g, char *why)
{
    struct life *after = malloc(sizeof(*after));

    *after = *l;
    after->memory = memory;
    after->group = g;
    after->promises = after->owns = 0;
    model_copy(&after->model, &l->model);
    const bool good = life_catch_up(after);
    if (!good)
        snprintf(why, sizeof(l->why), "going on, %.480s", after->why);
    model_destroy(&after->model);
    group_close(after->group);
    free(after);
    return good;
}

static bool crash(struct life *l, size_t moment, uint64_t seed)
{
    static const enum memory_loss kinds[] = { MEMORY_ALL, MEMORY_SYNCED, MEMORY_SOME, MEMORY_TORN };
    struct memory *left = memory_cut(l->memory, moment, kinds[seed >> 8 & 3], seed);
    struct weir_text why = { 0 };
    struct group *g = NULL;
    bool good = false;

    states++;
    int r = life_open_group(l, left, &g, &why);
    if (r)
        life_fails(l, "the group cannot be opened: %.300s (%s)", text_string(&why), strerror(-r));
    else
        good = judge(l, g, moment);
    if (good && seed % 8 == 0)
        good = go_on(l, left, g, l->why);
    else
        group_close(g);
    text_finish(&why);
    memory_destroy(left);
    return good;
}

/* ---- a run: one life, and its deaths
 * -------------------------------------------------------------- */

static uint64_t get(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static bool run(uint64_t seed, uint64_t most)
{
    struct life *l = malloc(sizeof(*l));
    const size_t wanted = get("CRASH_MOMENT", SIZE_MAX);
    size_t moment = 0;

    life_create(l, seed);
    bool good = life_open(l) && life_go(l, 5 + model_chance(&l->model, 60));
    const size_t moments = memory_ops(l->memory);
    uint64_t luck = seed;
    for (; good && moment <= moments && states < most; moment++) {
        const uint64_t now = memory_chance(&luck); /* some moments of many lives, not all of few */
        if ((wanted == SIZE_MAX ? now >> 62 == 0 : wanted == moment) && !crash(l, moment, now))
            good = false;
    }
    if (!good)
        printf("CRASH_SEED=%" PRIu64 " CRASH_MOMENT=%zu: %s\n", seed, moment ? moment - 1 : 0,
               l->why);
    life_destroy(l);
    free(l);
    return good;
}

static bool work(uint64_t seed, uint64_t most)
{
    const time_t begin = time(NULL);
    bool good = true;

    while (good && states < most)
        good = run(seed++, most);
    printf("%" PRIu64 " states, %" PRIu64 " a second\n", states,
           states / (uint64_t)(time(NULL) - begin + 1));
    fflush(stdout);
    return good;
}

static bool all(unsigned jobs)
{
    const uint64_t seed = get("CRASH_SEED", (uint64_t)time(NULL) * 1000);
    const uint64_t most = get("CRASH_STATES", get("WEIR_SHORT", 0) ? 500 : 2000);
    bool good = true;

    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (unsigned i = 1; i < jobs; i++)
        if (fork() == 0)
            exit(!work(seed + 1000000 * i, most / jobs + 1));
    good = work(seed, most / jobs + 1);
    for (int status; wait(&status) > 0;)
        good &= status == 0;
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return !all((unsigned)get("CRASH_JOBS", 2));
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (strcmp(argv[1], steps[i].name) == 0)
            left_out = steps[i].step;
    if (left_out == STEP_NONE) {
        fprintf(stderr, "%s is no step\n", argv[1]);
        return 2;
    }
    if (!all(1)) {
        printf("as it should be: without %s that is found\n", argv[1]);
        return 0;
    }
    printf("without %s nothing illegal was found\n", argv[1]);
    return 1;
}
