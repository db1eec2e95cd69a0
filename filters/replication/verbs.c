/* verbs.c - what can be asked of a replicated disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replication.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANDOVER_SECONDS = 60 };

static struct group *locked(void *self)
{
    struct group *g = ((struct disk *)self)->group;

    pthread_mutex_lock(&g->lock);
    return g;
}

static int done(struct group *g, int r)
{
    group_wake(g);
    pthread_mutex_unlock(&g->lock);
    return r;
}

static int verb_status(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);

    (void)arguments;
    status_print(g, answer);
    return done(g, 0);
}

/* ---- restore points ------------------------------------------------------------------------- */

static int verb_mark(void *self, const char *arguments, struct weir_text *answer)
{
    struct record r = { .op = RECORD_MARK, .length = (uint32_t)strlen(arguments) };
    bool sent;

    if (!*arguments || r.length >= NAME_LENGTH) {
        weir_print(answer, "mark NAME: give the restore point a name of 1 to %d bytes",
                   NAME_LENGTH - 1);
        return -EINVAL;
    }
    for (const char *c = arguments; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '/' || *c == '"' || *c == ',' ||
            *c == '+') {
            weir_print(answer,
                       "\"%s\": a restore point's name has no /, \", comma, + nor control "
                       "characters",
                       arguments);
            return -EINVAL;
        }
    uint64_t lsn = stream_record(self, &r, arguments, false, &sent);
    if (!sent) {
        weir_print(
            answer,
            "no restore point can be made now: the group is stopped, or there is no room for "
            "what the target has not received; see status");
        return -EAGAIN;
    }
    weir_print(answer, "restore point %s is LSN %" PRIu64, arguments, lsn);
    return 0;
}

/* ---- what changed ---------------------------------------------------------------------------- */

static void print_point(const struct map_point *p, struct weir_text *t)
{
    for (int i = 0; i < 16; i++)
        weir_print(t, "%02x", p->map[i]);
    weir_print(t, ":%" PRIu32, p->epoch);
}

static int parse_point(const char *text, struct map_point *ret)
{
    int n = 0;

    for (int i = 0; i < 16; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x%n", &byte, &n) != 1 || n != 2)
            return -EINVAL;
        ret->map[i] = (uint8_t)byte;
    }
    return sscanf(text + 32, ":%" SCNu32 "%n", &ret->epoch, &n) == 1 && !text[32 + n] ? 0 : -EINVAL;
}

static int verb_checkpoint(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    struct map_point p = map_checkpoint(d->map);

    (void)arguments;
    int r = map_sync(d->map);
    if (r) {
        weir_print(answer, "the change map cannot be written: %s", strerror(-r));
        return r;
    }
    print_point(&p, answer);
    return 0;
}

static int print_range(void *arg, uint64_t offset, uint64_t length)
{
    weir_print(arg, "%" PRIu64 " %" PRIu64 "\n", offset, length);
    return 0;
}

static int verb_changes(void *self, const char *arguments, struct weir_text *answer)
{
    struct disk *d = self;
    struct map_point since;

    if (parse_point(arguments, &since)) {
        weir_print(answer, "changes ID: \"%s\" is no ID: checkpoint gives one", arguments);
        return -EINVAL;
    }
    int r = map_changed(d->map, &since, print_range, answer);
    if (r == -ESTALE)
        weir_print(
            answer,
            "ID %s is of another map: it was lost or the disk was served without it, so what "
            "changed since is not known; copy everything once, and take a new checkpoint",
            arguments);
    return r;
}

/* ---- both sites alike? --------------------------------------------------------------------------
 */

static int verb_resync(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);
    bool all = !strcmp(arguments, "all");

    if (*arguments && !all) {
        weir_print(answer, "resync [all]: \"%s\" is neither nothing nor all", arguments);
        return done(g, -EINVAL);
    }
    for (unsigned i = 0; all && i < DISKS; i++)
        if (g->disks[i])
            map_mark_all(g->disks[i]->map);
    g->trusted = all;
    g->marked_all |= all; /* the maps of the others are synced by the keeper, when it meets */
    if (g->connected)
        g->lost = true; /* meets the target anew */
    uint64_t dirty = group_dirty(g);
    done(g, 0);
    int r = all ? map_sync(((struct disk *)self)->map) : 0;
    if (r)
        weir_print(answer, "the change map cannot be written: %s", strerror(-r));
    else
        weir_print(answer, "%" PRIu64 " granules of 64 KiB are to be sent", dirty);
    return r;
}

static int verb_verify(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);
    uint64_t total = 0;

    (void)arguments;
    if (!g->connected) {
        weir_print(answer, "the target is not there%s%s", g->error[0] ? ": " : "", g->error);
        return done(g, -ENOTCONN);
    }
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i]) {
            g->disks[i]->verify_at = 0;
            total += atomic_load(&g->disks[i]->size);
        }
    g->verify_done = 0;
    g->verify_total = total;
    weir_print(answer, "%" PRIu64 " bytes are compared; what differs is sent again", total);
    return done(g, 0);
}

/* ---- detach, attach, hand over
 * --------------------------------------------------------------------- */

static int set_detached(struct group *g, bool detached, struct weir_text *answer)
{
    g->record.detached = detached;
    g->stop = detached ? STOP_DETACHED : STOP_NONE;
    if (detached)
        ack_release(g, 0);
    done(g, 0);
    int r = record_save(g);
    if (r)
        weir_print(answer, "this cannot be remembered: %s", strerror(-r));
    return r;
}

/* What of this site is lost by it: an operator decides. */
static int may_fail_back(const struct disk *d, bool discard, struct weir_text *answer)
{
    const struct group *g = d->group;

    if (g->config.target_type == TARGET_PLAIN) {
        weir_print(answer, "the target is a plain disk, which knows of no failover: copy it");
        return -ENOTSUP;
    }
    if (g->stop != STOP_FENCED) {
        weir_print(answer, "the group %s is not replaced by its target: it is %s", g->name,
                   group_state((struct group *)(uintptr_t)g));
        return -EINVAL;
    }
    if (g->peer.role != ROLE_PRIMARY) {
        weir_print(answer, "the target does not say what became of it%s%s", g->error[0] ? ": " : "",
                   g->error);
        return -EAGAIN;
    }
    if (g->kinship == KIN_FORK && g->fork.source_lost && !discard) {
        weir_print(answer,
                   "this site may have writes that the other one lacks, up to %" PRIu64
                   " LSNs since LSN %" PRIu64 ": if they may go, weirctl replica failback %s "
                   "--discard, or the verb failback discard",
                   g->fork.source_lost, g->fork.lsn, d->name);
        return -EPERM;
    }
    return 0;
}

static bool take_word(const char **words, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*words, word, n) != 0 || ((*words)[n] && (*words)[n] != ' '))
        return false;
    *words += n;
    *words += strspn(*words, " ");
    return true;
}

static int verb_failback(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);
    const bool discard = take_word(&arguments, "discard"), dry = take_word(&arguments, "dry-run");

    if (*arguments) {
        weir_print(answer, "failback [discard] [dry-run]: \"%s\" is neither", arguments);
        return done(g, -EINVAL);
    }
    const bool again = g->record.fetch != FETCH_NONE;
    const uint64_t limit = now_ns() + atomic_load(&g->peer_timeout);
    while (!again && g->stop == STOP_FENCED && g->peer.role != ROLE_PRIMARY && now_ns() < limit)
        cond_wait_until(&g->changed, &g->lock, limit); /* they have not met since */
    int r = again ? 0 : may_fail_back(self, discard || dry, answer);
    if (!r && g->kinship == KIN_FORK && g->fork.source_lost)
        weir_print(answer, "what only this site has, up to %" PRIu64 " LSNs, %s; ",
                   g->fork.source_lost, dry ? "would be lost" : "is lost");
    if (!r && !again && !dry) {
        g->record.fetch = FETCH_RUNNING;
        g->record.fenced = true;
        g->fetch_left = 0;
        g->fetch_following = false;
    }
    const uint64_t since = g->fork.lsn;
    done(g, 0);
    if (!r && !again && !dry && (r = record_save(g)))
        weir_print(answer, "this cannot be remembered: %s", strerror(-r));
    if (!r)
        weir_print(answer, "%s what was written at the other site since LSN %" PRIu64,
                   dry ? "would fetch" : "fetches", since);
    return r;
}

/* No disk leaves while its export is locked or unlocked. */
static void fence(struct group *g)
{
    pthread_mutex_lock(&g->running);
    group_fence(g);
    pthread_mutex_unlock(&g->running);
}

/* Why a disk that serves nothing, for the other site may be the one that is written, may not be
 * served again. */
static int may_detach(const struct disk *d, bool anyway, struct weir_text *answer)
{
    const struct group *g = d->group;

    if (g->record.fetch != FETCH_NONE || g->handover == HANDOVER_WANTED) {
        weir_print(answer, "the group %s is %s: its disks cannot be served before that has ended",
                   g->name, g->handover ? "being handed over" : "fetching");
        return -EPERM;
    }
    if ((g->stop != STOP_FENCED && !g->record.fenced) || anyway)
        return 0;
    weir_print(answer,
               "the target was promoted, or may have taken over: to detach would let two sites be "
               "written.  If the other one is gone for ever, or certainly serves nothing: weirctl "
               "replica detach %s anyway, or the verb detach anyway",
               d->name);
    return -EPERM;
}

static int verb_detach(void *self, const char *arguments, struct weir_text *answer)
{
    const bool anyway = take_word(&arguments, "anyway");
    struct group *g = locked(self);

    if (*arguments) {
        weir_print(answer, "detach [anyway]: \"%s\" is neither nothing nor anyway", arguments);
        return done(g, -EINVAL);
    }
    int r = may_detach(self, anyway, answer);
    if (r)
        return done(g, r);
    const bool fenced = g->stop == STOP_FENCED || g->record.fenced;
    g->record.fenced = false;
    r = set_detached(g, true, answer);
    if (r && fenced) {
        pthread_mutex_lock(&g->lock);
        g->record.fenced = true;
        g->record.detached = false;
        g->stop = STOP_FENCED;
        pthread_mutex_unlock(&g->lock);
    }
    if (r)
        return r;
    if (fenced)
        fence(g); /* it is remembered: the disks are served again */
    weir_print(answer, "the group %s sends nothing any more; the map goes on%s", g->name,
               fenced ? ", and its disks are served here: should the other site have taken over, "
                        "both are written, and attach says so"
                      : "");
    return 0;
}

static int verb_attach(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);

    (void)arguments;
    if (g->stop != STOP_DETACHED) {
        weir_print(answer, "the group %s is not detached: it is %s", g->name, group_state(g));
        return done(g, -EINVAL);
    }
    int r = set_detached(g, false, answer);
    if (!r)
        weir_print(answer, "the group %s connects to %s", g->name, g->uri);
    return r;
}

/* A disk that will not come back would be waited for. */
static int verb_forget(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);
    unsigned i = 0;

    while (i < g->record.count && strcmp(g->record.name[i], arguments) != 0)
        i++;
    if (i == g->record.count || !*arguments || g->disks[i]) {
        weir_print(answer, "forget DISK: \"%s\" is %s", arguments,
                   i < g->record.count && g->disks[i]
                       ? "here: take the filter out of its policy first"
                       : "no disk of the group");
        return done(g, -ENOENT);
    }
    g->record.name[i][0] = '\0';
    done(g, 0);
    int r = record_save(g);
    weir_print(answer, r ? "this cannot be remembered: %s" : "disk %s is not waited for any more",
               r ? strerror(-r) : arguments);
    return r;
}

/* What would not come to be is refused before any request of a guest is; with the lock. */
static int may_hand_over(struct group *g, struct weir_text *answer)
{
    char target_error[WHY];

    if (g->config.target_type == TARGET_PLAIN) {
        weir_print(answer,
                   "the target %s is a plain disk, which takes over nothing: end the guest here, "
                   "wait until all is sent (lag_bytes and dirty_granules are 0), and use the disk "
                   "there",
                   g->uri);
        return -ENOTSUP;
    }
    status_target_error(g, target_error);
    if (*target_error && !g->stop && g->connected) {
        weir_print(answer,
                   "not handed over, nothing has changed: the target %s; weirctl replica status "
                   "at the target says more",
                   target_error);
        return -EAGAIN;
    }
    if (!g->stop && g->connected && g->handover == HANDOVER_NONE)
        return 0;
    weir_print(answer, "not handed over, nothing has changed: the group %s is %s%s%s", g->name,
               g->handover ? "being handed over already" : group_state(g), g->error[0] ? ": " : "",
               g->error);
    return -EAGAIN;
}

static void say_handover(const struct group *g, struct weir_text *answer)
{
    if (g->handover == HANDOVER_DONE)
        weir_print(answer, "handed over at LSN %" PRIu64 ": nothing is lost", g->complete_durable);
    else
        weir_print(answer, "not handed over: %s",
                   g->error[0]   ? g->error
                   : !g->started ? "a disk has left the group; nothing has changed"
                   : g->handover == HANDOVER_REFUSED
                       ? "the target is away; nothing has changed"
                       : "the target did not get in step in a minute; nothing has changed");
}

/* Another disk's export may be changed or closed meanwhile: none leaves while we look at it. */
static void lock_disks(struct group *g)
{
    struct disk *list[DISKS];

    pthread_mutex_lock(&g->running);
    for (unsigned i = group_disks(g, list); i-- > 0;) {
        atomic_store(&list[i]->locked, true);
        weir_lock_export(list[i]->below, "is being handed over to the other site");
    }
    pthread_mutex_unlock(&g->running);
}

static int verb_handover(void *self, const char *arguments, struct weir_text *answer)
{
    struct group *g = locked(self);
    const uint64_t limit = now_ns() + HANDOVER_SECONDS * SECOND_NS;

    (void)arguments;
    int r = may_hand_over(g, answer);
    done(g, 0);
    if (r)
        return r;
    lock_disks(g);
    pthread_mutex_lock(&g->lock);
    g->handover = HANDOVER_WANTED;
    g->mark_now = true; /* a last restore point */
    group_wake(g);
    while (g->handover == HANDOVER_WANTED && g->started && now_ns() < limit)
        cond_wait_until(&g->changed, &g->lock, limit);
    bool handed = g->handover == HANDOVER_DONE;
    say_handover(g, answer);
    g->handover = HANDOVER_NONE;
    pthread_mutex_unlock(&g->lock);
    fence(g); /* says why it is locked, or unlocks it */
    return handed ? 0 : -EAGAIN;
}

const struct weir_verb replication_verbs[] = {
    { "status", "Prints all of the group as JSON.", verb_status },
    { "mark", "mark NAME: makes a restore point of that name.", verb_mark },
    { "checkpoint", "Prints an ID, since which changes can be asked for.", verb_checkpoint },
    { "changes", "changes ID: prints OFFSET LENGTH of what was written since.", verb_changes },
    { "resync", "resync [all]: meets the target anew; all sends everything.", verb_resync },
    { "verify", "Compares all of both sites; what differs is sent again.", verb_verify },
    { "handover", "Makes the target the primary without any loss; this disk is locked.",
      verb_handover },
    { "failback",
      "[discard] [dry-run]: fetches what was written at the target that was promoted, and is the "
      "source again once nobody writes there; discard: what only this site has goes.",
      verb_failback },
    { "detach",
      "[anyway]: sends nothing until attach; changes are remembered; anyway: a disk that was "
      "fenced "
      "is served again, though the other site may have taken over.",
      verb_detach },
    { "attach", "Ends detach.", verb_attach },
    { "forget", "forget DISK: does not wait for a disk that has left the group for good.",
      verb_forget },
    { 0 },
};
