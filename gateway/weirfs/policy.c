/* policy.c - how does one text become the policy of all gateways that hold it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include "tree.h"
#include "turn.h"
#include "veil.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What one gateway has of a policy. */
struct holding {
    struct peer *peer;
    char *old; /* its text; NULL: it has none */
    size_t size;
    bool done; /* changed already */
    bool aside;
};
struct holdings {
    char *path; /* as the gateways know it */
    size_t count;
    struct holding *list;
};
#define cleanup_holdings __attribute__((cleanup(holdings_finish)))

static void holdings_finish(struct holdings *h)
{
    for (size_t i = 0; i < h->count; i++) {
        peer_unref(h->list[i].peer);
        free(h->list[i].old);
    }
    free(h->list);
    free(h->path);
    *h = (struct holdings){ 0 };
}

static bool shared(const char *path)
{
    return strncmp(path, "policies/", 9) == 0;
}

/* ---- the policy that was removed last ---------------------------------------- */

/* mv from another file system removes a policy and makes it anew: what it was is
 * remembered for a while, so that the new one goes to the same gateways, or the old
 * one comes back when the new text is refused. */
static struct {
    pthread_mutex_t lock; /* all below; nothing is taken under it */
    char *path;
    time_t until; /* veil_clock() */
    struct holdings holdings;
} removed = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void remember_removed(const char *path, struct holdings *h)
{
    hold_lock(&removed.lock);
    struct holdings old = removed.holdings;

    free(removed.path);
    removed.path = strdup(path);
    removed.until = veil_clock() + VEIL_SECONDS;
    removed.holdings = *h;
    *h = old;
}

/* With the lock held. */
static bool just_removed(const char *path)
{
    return removed.path && strcmp(removed.path, path) == 0 && veil_clock() < removed.until;
}

static bool was_removed_from(const char *path, const struct peer *p)
{
    hold_lock(&removed.lock);

    for (size_t i = 0; just_removed(path) && i < removed.holdings.count; i++)
        if (strcmp(peer_name(removed.holdings.list[i].peer), peer_name(p)) == 0)
            return true;
    return false;
}

static bool was_removed(const char *path)
{
    hold_lock(&removed.lock);

    return just_removed(path);
}

static void take_removed(const char *path, struct holdings *ret)
{
    hold_lock(&removed.lock);

    if (!just_removed(path))
        return;
    *ret = removed.holdings;
    removed.holdings = (struct holdings){ 0 };
    free(steal(removed.path));
}

/* ---- who holds it ------------------------------------------------------------ */

static int add_holding(struct holdings *h, struct peer *p)
{
    struct holding *more = realloc(h->list, (h->count + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    h->list = more;
    struct holding *one = &h->list[h->count];
    *one = (struct holding){ 0 };
    int error = peer_get(p, h->path, &one->old, &one->size);
    if (error && error != -ENOENT)
        return error;
    one->peer = peer_ref(p);
    h->count++;
    return 0;
}

/* Leaves those that have the policy; when none has, those where it was removed; when
 * that is none either, all. */
static void narrow(const char *path, struct holdings *h)
{
    bool held = false, gone = was_removed(path);
    size_t kept = 0;

    for (size_t i = 0; i < h->count; i++)
        held |= h->list[i].old != NULL;
    for (size_t i = 0; i < h->count; i++) {
        struct holding *one = &h->list[i];
        if (held ? one->old != NULL : !gone || was_removed_from(path, one->peer))
            h->list[kept++] = *one;
        else
            peer_unref(one->peer);
    }
    h->count = kept;
}

static int holders_of_shared(const char *path, struct holdings *h, struct refusal *why)
{
    struct peer **list = peers_list();
    int error = 0;

    if (!list || !(h->path = strdup(path)))
        error = -ENOMEM;
    for (size_t i = 0; !error && list[i]; i++) {
        error = add_holding(h, list[i]);
        if (error == -ESHUTDOWN) /* a dead one reads its files when it starts */
            error = 0;
        else if (error && why &&
                 asprintf(&why->sentence, "gateway %s does not answer: nothing was changed",
                          peer_name(list[i])) < 0)
            why->sentence = NULL;
    }
    peers_put(list);
    if (error)
        return error;
    narrow(path, h);
    return h->count ? 0 : -ESHUTDOWN;
}

static int holders(const char *path, struct holdings *h, struct refusal *why)
{
    cleanup_node struct node node = { 0 };

    if (shared(path))
        return holders_of_shared(path, h, why);
    int error = node_find(path, &node);
    if (error)
        return error;
    if (!node.peer || !(h->path = strdup(node.path)))
        return node.peer ? -ENOMEM : -ENOENT;
    return add_holding(h, node.peer);
}

/* ---- changes ----------------------------------------------------------------- */

/* A gateway that has no folder for policies has no part in a new one, unless none has. */
static int check_all(struct holdings *h, const char *text, size_t size, struct refusal *why)
{
    size_t aside = 0;
    int error = 0;

    for (size_t i = 0; i < h->count && !error; i++) {
        struct holding *one = &h->list[i];
        error = peer_check(one->peer, h->path, text, size, why);
        one->aside = error == -EROFS && !one->old && ++aside < h->count;
        if (one->aside) {
            refusal_finish(why);
            error = 0;
        }
    }
    return error;
}

static void put_back(struct holdings *h)
{
    for (size_t i = h->count; i-- > 0;) {
        struct holding *one = &h->list[i];
        if (!one->done)
            continue;
        int error = one->old ? peer_set(one->peer, h->path, one->old, one->size, NULL)
                             : peer_remove(one->peer, h->path, NULL);
        one->done = error != 0;
    }
}

static int set_all(struct holdings *h, const char *text, size_t size, struct refusal *why)
{
    for (size_t i = 0; i < h->count; i++) {
        int error = h->list[i].aside ? 0 : peer_set(h->list[i].peer, h->path, text, size, why);
        if (error) {
            put_back(h);
            return error;
        }
        h->list[i].done = !h->list[i].aside;
    }
    return 0;
}

static int remove_all(struct holdings *h, struct refusal *why)
{
    for (size_t i = 0; i < h->count; i++) {
        int error = peer_remove(h->list[i].peer, h->path, why);
        if (error) {
            put_back(h);
            return error;
        }
        h->list[i].done = true;
    }
    return 0;
}

static int done(const char *path, int error, const struct refusal *why)
{
    if (error)
        last_error_set(path, why->sentence && *why->sentence ? why->sentence : strerror(-error));
    else
        last_error_clear(path);
    return error;
}

/* ---- what the mount does ----------------------------------------------------- */

int policy_get(const char *path, char **text, size_t *size)
{
    cleanup_node struct node node = { 0 };
    int error = node_find(path, &node);

    if (error)
        return error;
    return node.peer ? peer_get(node.peer, node.path, text, size) : -ENOENT;
}

int policy_check(const char *path, const char *text, size_t size, struct refusal *why)
{
    cleanup_holdings struct holdings h = { 0 };
    int error = holders(path, &h, why);

    if (!error)
        error = check_all(&h, text, size, why);
    if (error && !why->at_end)
        done(path, error, why);
    return error;
}

int policy_set(const char *path, const char *text, size_t size, struct refusal *why)
{
    cleanup_holdings struct holdings h = { 0 };
    hold_turn(path);
    int error = holders(path, &h, why);

    if (!error && h.count > 1)
        error = check_all(&h, text, size, why);
    if (!error)
        error = set_all(&h, text, size, why);
    return done(path, error, why);
}

int policy_remove(const char *path)
{
    cleanup_holdings struct holdings h = { 0 };
    cleanup_refusal struct refusal why = { 0 };

    if (!shared(path))
        return -EBUSY;
    hold_turn(path);
    int error = holders(path, &h, &why);
    if (!error)
        error = remove_all(&h, &why);
    if (error == -EBUSY) /* the caller hides it; no tool is told */
        return error;
    if (!error)
        remember_removed(path, &h);
    return done(path, error, &why);
}

void policy_restore(const char *path)
{
    cleanup_holdings struct holdings h = { 0 };
    hold_turn(path);

    take_removed(path, &h);
    put_back(&h);
}

void policy_finish(void)
{
    cleanup_holdings struct holdings none = { 0 };

    remember_removed("", &none);
    free(steal(removed.path));
    last_error_finish();
}
