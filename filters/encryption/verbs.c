/* verbs.c - what can be done with the keys of a disk, while it works?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An argument names a provider, never a secret, and one that names none is not repeated in the
 * answer: it may be a passphrase that was written there by mistake. */
#include "encryption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int no_arguments(const char *verb, const char *arguments, struct weir_text *answer)
{
    if (!*arguments)
        return 0;
    weir_print(answer, "%s: expected nothing after the word", verb);
    return -EINVAL;
}

/* ---- status --------------------------------------------------------------------- */

static void print_slots(const struct encryption *e, struct weir_text *answer)
{
    struct header_slot slots[HEADER_SLOTS];
    size_t count = header_slots(e->header, slots);

    for (size_t i = 0; i < count; i++)
        weir_print(answer, "slot %d: %s%s%s\n", slots[i].slot, slots[i].pbkdf,
                   slots[i].unbound ? ", of another volume key" : "",
                   slots[i].slot == e->slot ? ", opened the disk" : "");
}

static int run_status(void *self, const char *arguments, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);
    struct encryption_view view;

    int r = no_arguments("status", arguments, answer);
    if (r)
        return r;
    rekey_settle(e);
    encryption_look(e, &view);
    weir_print(answer, "state: %s\n", encryption_state(e, &view));
    if (view.why[0])
        weir_print(answer, "why: %s\n", view.why);
    weir_print(answer, "key: %s\n", config->key);
    if (!e->header)
        return 0;
    weir_print(answer, "header: LUKS%u, %s\n", view.about.version, view.about.uuid);
    weir_print(answer, "cipher: %s-%s, key of %u bits, sectors of %" PRIu32 " bytes\n",
               view.about.cipher, view.about.mode, view.about.key_bits, view.about.sector);
    weir_print(answer, "payload: from byte %" PRIu64 "\n", view.about.offset);
    rekey_print(e, answer);
    print_slots(e, answer);
    return 0;
}

/* ---- lock and unlock ------------------------------------------------------------ */

/* What is under way mostly takes no time; what takes longer need not keep the caller. */
static bool wait_for_requests(struct encryption *e)
{
    const struct timespec pause = { .tv_nsec = 5000000 };

    for (int i = 0; i < 200 && lease_busy(&e->lease); i++)
        nanosleep(&pause, NULL);
    return !lease_busy(&e->lease);
}

static int run_lock(void *self, const char *arguments, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);

    int r = no_arguments("lock", arguments, answer);
    if (r)
        return r;
    late_stop(e);
    r = encryption_note_lock(e, true); /* first: it may be attached again at any time */
    encryption_lock(e, ENCRYPTION_BY_HAND);
    if (r)
        weir_print(answer,
                   "until the export is next opened, as it cannot be remembered in the state "
                   "folder (%s): ",
                   strerror(-r));
    if (wait_for_requests(e))
        weir_print(answer, "locked; the key is wiped");
    else
        weir_print(answer, "locked; requests are still under way, and the key is wiped when the "
                           "last one has ended");
    return 0;
}

/* Somebody asks for the disk, even if the key is late. */
static int forget_lock(struct encryption *e, struct weir_text *answer)
{
    int r = encryption_note_lock(e, false);

    if (r)
        weir_print(answer,
                   "the file \"locked\" of the verb lock cannot be removed from the state folder "
                   "of the filter: %s",
                   strerror(-r));
    return r;
}

static int run_unlock(void *self, const char *arguments, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);
    struct encryption_view view;
    bool late;

    int r = no_arguments("unlock", arguments, answer);
    if (r)
        return r;
    rekey_settle(e);
    if (lease_lends(&e->lease)) {
        weir_print(answer, e->rekey.running && rekey_again(e)
                               ? "it is unlocked, and the deep rekey goes on"
                               : "it is unlocked");
        return 0;
    }
    late_stop(e);
    r = forget_lock(e, answer);
    if (r)
        return r;
    r = encryption_unlock(e, config, &late);
    if (late)
        late_again(e, config);
    encryption_look(e, &view);
    if (r)
        weir_print(answer, "%s", view.why);
    else
        weir_print(answer, "unlocked by key slot %d", e->slot);
    return r;
}

/* ---- format --------------------------------------------------------------------- */

/* 0: nothing is where a header would be. */
static int need_nothing(struct encryption *e, struct weir_text *answer)
{
    char why[HEADER_WHY] = "";
    struct header *header = NULL;

    int r = e->header ? 0 : header_open(&e->medium, &header, why);
    header_close(header);
    if (r == -ENODATA)
        return 0;
    weir_print(answer, "format: %s",
               r ? why : "the disk has a LUKS header, and is not formatted a second time");
    return r ? r : -EEXIST;
}

/* As if the option format were true, for this once: an option that stays would format, at some
 * opening, the empty image that has taken the place of a lost one. */
static int run_format(void *self, const char *arguments, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);
    struct encryption_config once = *config;
    struct encryption_view view;
    bool late;

    int r = no_arguments("format", arguments, answer);
    if (!r)
        r = need_nothing(e, answer);
    if (r)
        return r;
    r = forget_lock(e, answer);
    if (r)
        return r;
    once.format = true;
    late_stop(e);
    r = encryption_unlock(e, &once, &late);
    if (late && config->format) /* else it was for this once, and has failed */
        late_again(e, config);
    encryption_look(e, &view);
    if (r)
        weir_print(answer, "format: %s", view.why);
    else
        weir_print(answer, "formatted and unlocked by key slot %d", e->slot);
    return r;
}

/* ---- key slots ------------------------------------------------------------------ */

/* A header that may be changed, and, if `open` is asked for, a disk that is unlocked. */
static int need_header(struct encryption *e, bool open, struct weir_text *answer)
{
    rekey_settle(e);
    if (!e->header) {
        weir_print(answer, "no LUKS header is known of this disk: unlock it first");
        return -ENODATA;
    }
    if (e->medium.read_only) {
        weir_print(answer, "the export is read-only: its key slots cannot be changed");
        return -EROFS;
    }
    if (rekey_percent(e) >= 0) {
        weir_print(answer,
                   "a deep rekey is under way (%" PRId64 " %%): key slots can be changed when it "
                   "has ended",
                   rekey_percent(e));
        return -EBUSY;
    }
    if (open && e->slot < 0) {
        weir_print(answer, "the disk is locked: unlock it first, so that it is known which key "
                           "slot the option key opens");
        return -EACCES;
    }
    return 0;
}

static int need_key(const char *verb, const char *key, struct weir_text *answer)
{
    char why[HEADER_WHY] = "";

    if (!*key) {
        weir_print(answer,
                   "%s: expected where the new key comes from, as "
                   "%s file:/etc/weir/new.key",
                   verb, verb);
        return -EINVAL;
    }
    int r = keys_check(key, why);
    if (r)
        weir_print(answer, "%s: %s", verb, why);
    return r;
}

/* A slot for `new`, made with what the option key gives. */
static int add_slot(struct encryption *e, const struct secret *new, int *slot, char why[HEADER_WHY])
{
    const struct encryption_config *config = weir_own_config(e->below);
    const struct header_format how = encryption_format(config);
    struct secret old = { 0 };

    int r = encryption_get_key(e, config->key, config, &old, why);
    if (!r)
        r = header_add_key(e->header, &old, new, &how, slot, why);
    secret_clear(&old);
    return r;
}

static int run_add(void *self, const char *key, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    char why[HEADER_WHY] = "";
    struct secret new = { 0 };
    int slot = -1;

    int r = need_key("add", key, answer);
    if (!r)
        r = need_header(e, false, answer);
    if (r)
        return r;
    r = encryption_get_key(e, key, weir_own_config(e->below), &new, why);
    if (!r)
        r = add_slot(e, &new, &slot, why);
    secret_clear(&new);
    if (r)
        weir_print(answer, "add: %s", why);
    else
        weir_print(answer, "key slot %d opens with what %s gives", slot, key);
    return r;
}

static int parse_slot(const char *word, int *slot, struct weir_text *answer)
{
    char *end;
    long n = strtol(word, &end, 10);

    if (!*word || *end || n < 0 || n >= HEADER_SLOTS) {
        weir_print(answer, "remove: expected the number of a key slot, 0 to %d, as status shows it",
                   HEADER_SLOTS - 1);
        return -EINVAL;
    }
    *slot = (int)n;
    return 0;
}

/* The slot that the option key opens now: by which the disk will be unlocked next. */
static int find_own(struct encryption *e, int *slot, char why[HEADER_WHY])
{
    const struct encryption_config *config = weir_own_config(e->below);
    struct secret key = { 0 }, volume = { 0 };

    int r = encryption_get_key(e, config->key, config, &key, why);
    if (!r)
        r = header_unlock(e->header, &key, &volume, slot, why);
    secret_clear(&key);
    secret_clear(&volume);
    return r;
}

static int run_remove(void *self, const char *word, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    char why[HEADER_WHY] = "";
    int slot, own = -1;

    int r = parse_slot(word, &slot, answer);
    if (!r)
        r = need_header(e, false, answer);
    if (r)
        return r;
    r = find_own(e, &own, why);
    if (r) {
        weir_print(answer,
                   "remove: no key slot is removed while it is not known which one the option key "
                   "opens: %s",
                   why);
        return r;
    }
    if (slot == own) {
        weir_print(answer,
                   "remove: key slot %d is the one that the option key opens: without it the disk "
                   "stays locked when it is next opened; rekey goes over to another key",
                   slot);
        return -EBUSY;
    }
    r = header_remove_slot(e->header, slot, why);
    if (r) {
        weir_print(answer, "remove: %s", why);
        return r;
    }
    if (slot == e->slot)
        e->slot = own;
    weir_print(answer, "key slot %d is removed", slot);
    return 0;
}

/* ---- rekey ---------------------------------------------------------------------- */

/* The slot that `key` opens; or it gets one. */
static int find_slot(struct encryption *e, const struct secret *key, int *slot,
                     char why[HEADER_WHY])
{
    struct secret volume = { 0 };

    int r = header_unlock(e->header, key, &volume, slot, why);
    secret_clear(&volume);
    return r == -EACCES ? add_slot(e, key, slot, why) : r;
}

/* The option names the new key, so the old one is not needed any more. */
static int leave_old(struct encryption *e, int slot, char why[HEADER_WHY], struct weir_text *answer)
{
    int old = e->slot;

    if (old == slot) {
        weir_print(answer,
                   "key slot %d opened the disk, and the option key opens it: there is "
                   "nothing to go over to\n",
                   slot);
        print_slots(e, answer);
        return 0;
    }
    int r = header_remove_slot(e->header, old, why);
    if (r)
        return r;
    e->slot = slot;
    weir_print(answer, "key slot %d is removed; the disk opens by key slot %d", old, slot);
    return 0;
}

/* In two steps, so that a disk whose gateway ends at any time opens with what the option key
 * says: a slot for the new key; and, once the option names that key, without the old slot. */
static int run_rekey(void *self, const char *key, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);
    char why[HEADER_WHY] = "";
    struct secret new = { 0 };
    int slot = -1;

    int r = need_key("rekey", key, answer);
    if (!r)
        r = need_header(e, true, answer);
    if (r)
        return r;
    r = encryption_get_key(e, key, config, &new, why);
    if (!r)
        r = find_slot(e, &new, &slot, why);
    secret_clear(&new);
    if (!r && strcmp(key, config->key) == 0)
        r = leave_old(e, slot, why, answer);
    else if (!r)
        weir_print(answer,
                   "key slot %d opens with what %s gives, and slot %d still with the old key; now "
                   "set the option key to %s in the policy, and write the same again to remove "
                   "slot %d",
                   slot, key, e->slot, key, e->slot);
    if (r)
        weir_print(answer, "rekey: %s", why);
    return r;
}

/* ---- deep rekey ------------------------------------------------------------------- */

static void say_begun(struct encryption *e, const char *key, struct weir_text *answer)
{
    const struct encryption_config *config = weir_own_config(e->below);
    const int new = e->rekey.about.new_slot;
    struct header_slot slots[HEADER_SLOTS];
    const size_t count = header_slots(e->header, slots);
    unsigned lost = 0;

    weir_print(answer,
               "the disk goes over to a new volume key, and is served meanwhile: see status; when "
               "that has ended it opens by key slot %d alone, with what %s gives; lost are then "
               "key slots ",
               new, key);
    for (size_t i = 0; i < count; i++)
        if (slots[i].slot != new)
            weir_print(answer, "%s%d", lost++ ? ", " : "", slots[i].slot);
    if (strcmp(key, config->key))
        weir_print(answer,
                   "; now set the option key to %s in the policy: what it names now does not open "
                   "the disk any more when it is next unlocked",
                   key);
    weir_print(answer, "\n");
}

static int begin_deep(struct encryption *e, const char *key, struct weir_text *answer)
{
    const struct encryption_config *config = weir_own_config(e->below);
    const struct header_format how = encryption_format(config);
    struct header_rekey plan;
    char why[HEADER_WHY] = "";
    struct secret secret = { 0 };
    int slot = -1;

    int r = header_rekey_plan(e->header, e->block, &plan, why);
    if (!r)
        r = encryption_get_key(e, key, config, &secret, why);
    if (!r)
        r = find_slot(e, &secret, &slot, why);
    if (!r)
        r = rekey_begin(e, &secret, slot, &how, why);
    secret_clear(&secret);
    if (r)
        weir_print(answer, "rekey-deep: %s", why);
    else
        say_begun(e, key, answer);
    return r;
}

static int run_rekey_deep(void *self, const char *key, struct weir_text *answer)
{
    late_turn struct encryption *e = late_turn_begin(self);
    const struct encryption_config *config = weir_own_config(e->below);

    if (!*key)
        key = config->key;
    int r = need_key("rekey-deep", key, answer);
    if (r)
        return r;
    rekey_settle(e);
    if (e->rekey.running && rekey_again(e)) {
        weir_print(answer, "the deep rekey goes on\n");
        return 0;
    }
    r = need_header(e, true, answer);
    return r ? r : begin_deep(e, key, answer);
}

const struct weir_verb encryption_verbs[] = {
    { "status", "What is known of the header, the key and its slots.", run_status },
    { "lock", "Takes the key away: requests fail until unlock, also after a restart.", run_lock },
    { "unlock", "Asks for the key again and serves the disk.", run_unlock },
    { "format", "Makes a LUKS2 header on an empty disk, and serves it.", run_format },
    { "add", "add KEY: a key slot more, for what KEY gives, as file:/etc/weir/new.key.", run_add },
    { "remove", "remove SLOT: a key slot less; never the one that the option key opens.",
      run_remove },
    { "rekey",
      "rekey KEY: goes over to another key: once before the option key names it, once after.",
      run_rekey },
    { "rekey-deep",
      "rekey-deep [KEY]: a new volume key for all of the disk, which KEY alone opens in the end.",
      run_rekey_deep },
    { 0 },
};
