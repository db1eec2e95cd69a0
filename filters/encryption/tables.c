/* tables.c - what can be set of encryption, and what can be read of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "encryption.h"

static const char *const pbkdfs[] = { "argon2id", "pbkdf2", NULL };
static const char *const discards[] = {
    [DISCARD_IGNORE] = "ignore", [DISCARD_PASS] = "pass", NULL
};
static const struct weir_word automatic[] = { { "auto", 0 }, { 0 } };

#define SECOND 1000000000ll

/* clang-format off */
const struct weir_option encryption_options[] = {
    WEIR_OPTION_STRING(struct encryption_config, key, .flags = WEIR_LIVE | WEIR_REQUIRED,
        .help = "Where the passphrase comes from, as \"file:/etc/weir/vm1.key\"; never the passphrase itself."),
    WEIR_OPTION_TIME(struct encryption_config, key_timeout, .flags = WEIR_LIVE, .fallback = "30s",
        .min = SECOND / 10, .max = 3600 * SECOND, .help = "How long to wait for where the key comes from."),
    WEIR_OPTION_BOOL(struct encryption_config, format, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Make a LUKS2 header on an image that is empty, at its first opening."),
    WEIR_OPTION_INT(struct encryption_config, key_bits, .flags = WEIR_LIVE, .fallback = "256", .min = 128, .max = 256,
        .help = "AES of an image that is formatted: 128 or 256."),
    WEIR_OPTION_SIZE(struct encryption_config, sector_size, .flags = WEIR_LIVE, .fallback = "4K", .min = 512, .max = 4096,
        .help = "Sector of an image that is formatted: 512 or 4K."),
    WEIR_OPTION_CHOICE(struct encryption_config, pbkdf, .flags = WEIR_LIVE, .fallback = "argon2id", .choices = pbkdfs,
        .help = "How new key slots make a key of a passphrase."),
    WEIR_OPTION_TIME(struct encryption_config, pbkdf_time, .flags = WEIR_LIVE, .fallback = "auto",
        .min = SECOND / 1000, .max = 60 * SECOND, .words = automatic,
        .help = "How long that shall take in new key slots; auto is cryptsetup's 2 s, below 10ms the least that LUKS allows."),
    WEIR_OPTION_SIZE(struct encryption_config, pbkdf_memory, .flags = WEIR_LIVE, .fallback = "auto",
        .min = 32 << 10, .max = 4ll << 30, .words = automatic,
        .help = "Memory that argon2id takes in new key slots, at most; auto is cryptsetup's 1 GiB."),
    WEIR_OPTION_CHOICE(struct encryption_config, discard, .flags = WEIR_LIVE, .fallback = "ignore", .choices = discards,
        .help = "What to do with trims: pass shows those who can read the image which parts are unused."),
    { 0 },
};
/* clang-format on */

const char *encryption_pbkdf(int choice)
{
    return pbkdfs[choice];
}

/* ---- statistics ----------------------------------------------------------------- */

const char *encryption_state(struct encryption *e, const struct encryption_view *view)
{
    if (view->state != STATE_UNLOCKED)
        return "locked";
    return rekey_state(e) ?: "unlocked";
}

static void state(void *self, struct weir_text *text)
{
    struct encryption_view view;

    encryption_look(self, &view);
    weir_print(text, "%s", encryption_state(self, &view));
}

static int64_t rekey_progress_percent(void *self)
{
    const int64_t percent = rekey_percent(self);

    return percent < 0 ? 0 : percent;
}

static void cipher(void *self, struct weir_text *text)
{
    struct encryption_view view;

    encryption_look(self, &view);
    if (view.about.version)
        weir_print(text, "%s-%s, key of %u bits", view.about.cipher, view.about.mode,
                   view.about.key_bits);
    else
        weir_print(text, "none");
}

static int64_t sector_size(void *self)
{
    struct encryption_view view;

    encryption_look(self, &view);
    return view.about.sector;
}

static void key_provider(void *self, struct weir_text *text)
{
    struct encryption_view view;

    encryption_look(self, &view);
    weir_print(text, "%s", view.provider);
}

/* clang-format off */
#define COUNT(f, u, h) WEIR_STAT_COUNTER(struct encryption_stats, f, u, h)
const struct weir_stat encryption_stats[] = {
    WEIR_STAT_TEXT(state, state, "locked; unlocked; rekeying, or paused in that: unlocked, too."),
    COUNT(bytes_encrypted, "bytes", "What was encrypted, with the rest of the sectors of small writes."),
    COUNT(bytes_decrypted, "bytes", "What was decrypted, with the rest of the sectors of small requests."),
    COUNT(partial_sector_writes, "requests", "Writes that began or ended inside a sector, which was read first."),
    WEIR_STAT_HISTOGRAM(struct encryption_stats, encrypt_time, "ns", "Time to encrypt a write of 4 KiB or more."),
    WEIR_STAT_HISTOGRAM(struct encryption_stats, decrypt_time, "ns", "Time to decrypt a read of 4 KiB or more."),
    WEIR_STAT_TEXT(cipher, cipher, "Of the header: cipher, mode and both keys of XTS; none while no header is known."),
    WEIR_STAT_VALUE(sector_size, sector_size, "bytes", "Of the header; 0 while none is known."),
    WEIR_STAT_TEXT(key_provider, key_provider, "Who is asked for the key."),
    WEIR_STAT_VALUE(rekey_progress_percent, rekey_progress_percent, "percent", "How much of the disk has the new volume key, while rekeying; else 0."),
    { 0 },
};
/* clang-format on */
