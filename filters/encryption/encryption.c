/* encryption.c - how does a disk come to be encrypted, and what do the layers above see of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "encryption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int encryption_check(const void *settings, struct weir_text *why)
{
    const struct encryption_config *config = settings;
    char said[HEADER_WHY] = "";
    int r = keys_check(config->key, said);

    if (r) {
        weir_print(why, "key: %s", said);
        return r;
    }
    if (config->key_bits != 128 && config->key_bits != 256) {
        weir_print(why, "key_bits = %lld is not a key size of AES here: expected 128 or 256",
                   (long long)config->key_bits);
        return -EINVAL;
    }
    if (config->sector_size != 512 && config->sector_size != 4096) {
        weir_print(why, "sector_size = %llu is not a sector size here: expected 512 or 4096",
                   (unsigned long long)config->sector_size);
        return -EINVAL;
    }
    return 0;
}

/* The word before the colon, which is no secret, and all of the word that is shown. */
static void note_provider(struct encryption *e, const struct encryption_config *config)
{
    size_t length = strcspn(config->key, ":");

    pthread_mutex_lock(&e->lock);
    snprintf(e->view.provider, sizeof e->view.provider, "%.*s", (int)length, config->key);
    pthread_mutex_unlock(&e->lock);
}

/* Or the export is locked, and says why. */
static void first_unlock(struct encryption *e, const struct encryption_config *config)
{
    char why[HEADER_WHY] = "";

    int header = encryption_prepare(e, config, why);
    int r = !header || header_may_come(header) ? encryption_judge_lock(e, why) : header;
    if (r || header)
        encryption_lock(e, why);
    if (r)
        return;
    if (header)
        late_again(e, config);
    else
        late_begin(e, config);
}

static int encryption_attach(void *self, struct weir_below *below, const void *settings,
                             struct weir_text *why)
{
    struct encryption *e = self;

    e->below = below;
    e->slot = -1;
    if (late_init(&e->late)) {
        weir_print(why, "no descriptor for who asks for the key");
        return -EMFILE;
    }
    if (lease_init(&e->lease)) {
        late_finish(e);
        weir_print(why, "no memory for the cipher's users");
        return -ENOMEM;
    }
    pthread_mutex_init(&e->lock, NULL);
    rekey_init(e);
    medium_init(e);
    note_provider(e, settings);
    first_unlock(e, settings);
    return 0;
}

static void encryption_detach(void *self)
{
    struct encryption *e = self;

    late_finish(e);
    rekey_finish(e);
    lease_finish(&e->lease);
    header_close(e->header);
    pthread_mutex_destroy(&e->lock);
}

/* While no header is known, what a disk that is formatted here would be: the disk is locked,
 * and should not become another one when it is unlocked. */
static void guess(struct encryption *e)
{
    const struct encryption_config *config = weir_own_config(e->below);

    e->sector = (uint32_t)config->sector_size;
    e->payload = e->medium.size > USUAL_PAYLOAD ? USUAL_PAYLOAD : 0;
}

static int encryption_geometry(void *self, struct weir_geometry *g, struct weir_text *why)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);

    /* it may have grown, or stand on other filters now; else the thread of a rekey may look */
    if (e->medium.size != g->size)
        e->medium.size = g->size;
    e->block = g->block_min ? g->block_min : 1;
    if (!e->header)
        guess(e);
    else if (e->payload % e->block) {
        weir_print(why,
                   "the data of the disk begin at byte %llu, and what is below wants blocks of %u",
                   (unsigned long long)e->payload, e->block);
        return -ENOTSUP;
    }
    if (rekey_state(e) && e->block > REKEY_BLOCK) {
        weir_print(why,
                   "a deep rekey is under way, whose progress is written in blocks of %d, and what "
                   "is below wants blocks of %u",
                   REKEY_BLOCK, e->block);
        return -ENOTSUP;
    }
    e->size = g->size > e->payload ? (g->size - e->payload) & ~(uint64_t)(e->sector - 1) : 0;
    g->size = e->size;
    if (g->block_preferred < e->sector)
        g->block_preferred = e->sector;
    if (config->discard != DISCARD_PASS)
        g->ops &= ~WEIR_OP(WEIR_TRIM);
    g->fast_zero = false; /* zeroes are written, encrypted */
    e->trim = g->ops & WEIR_OP(WEIR_TRIM);
    e->shown = true;
    rekey_resize(e);
    return 0;
}

/* What would lock the disk for good, or at its next opening, or lose what is written behind its
 * old end, is refused beforehand. */
static int judge_grow(struct encryption *e, uint64_t size, struct weir_text *why)
{
    struct header_about about;

    if (!e->header) {
        weir_print(why, "no LUKS header is known of this disk, so its size is a guess: unlock it "
                        "first (status says why it is locked), then grow it");
        return -EACCES;
    }
    if (rekey_ends(e)) {
        weir_print(why, "the deep rekey of this disk just ends: grow it when status shows none; "
                        "if that says that it pauses, the verb rekey-deep goes on");
        return -EBUSY;
    }
    header_about(e->header, &about);
    const uint64_t payload = e->medium.size - e->payload + (size - e->size);
    if (header_counts(&about, payload))
        return 0;
    weir_print(why,
               "\"%s-%s\" counts no further than 2 TiB, and the disk would be of %" PRIu64
               " bytes: re-encrypt it first with cryptsetup reencrypt --cipher aes-xts-plain64, "
               "while it is not served",
               about.cipher, about.mode, payload);
    return -ENOTSUP;
}

static int encryption_event(void *self, const struct weir_event *event, struct weir_text *why)
{
    late_turn struct encryption *e = late_turn_begin(self);

    if (event->type == WEIR_EVENT_GROW && event->phase == WEIR_PREPARE)
        return judge_grow(e, event->size, why);
    return 0;
}

static int encryption_drain(void *self, bool begin, struct weir_text *why)
{
    (void)why;
    late_drain(self, begin);
    rekey_hold(self, begin);
    return 0;
}

static void encryption_apply(void *self, const void *settings)
{
    const struct encryption_config *config = settings;
    late_turn struct encryption *e = late_turn_begin(self);
    struct weir_geometry below;

    note_provider(e, config);
    late_apply(e, config);
    weir_geometry(e->below, &below);
    if (config->discard == DISCARD_PASS && !e->trim && below.ops & WEIR_OP(WEIR_TRIM))
        weir_report(e->below, WEIR_INFO,
                    "discard = pass: clients are offered trim when the export is next opened");
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "encryption",
    .version = "1",
    .summary = "LUKS disks: what is stored is encrypted.",
    .klass = WEIR_CLASS_ENCRYPTION,
    .flags = WEIR_NEEDS_ORDER | WEIR_TRANSFORMS,
    .ops = WEIR_ALL_OPS & ~WEIR_OP(WEIR_ZERO),
    .order_align = 4096, /* the largest sector */
    .self_size = sizeof(struct encryption),
    .request_size = sizeof(struct encryption_use),
    .config_size = sizeof(struct encryption_config),
    .stats_size = sizeof(struct encryption_stats),
    .options = encryption_options,
    .stats = encryption_stats,
    .verbs = encryption_verbs,
    .check = encryption_check,
    .attach = encryption_attach,
    .geometry = encryption_geometry,
    .apply = encryption_apply,
    .drain = encryption_drain,
    .event = encryption_event,
    .detach = encryption_detach,
    .down = encryption_down,
    .up = encryption_up,
};
