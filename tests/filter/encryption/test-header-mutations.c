/* test-header-mutations.c - what does a header do that was damaged, by chance or on purpose?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * It opens as it says and to the right volume key, or it is refused with a reason.
 * WEIR_HEADER_MUTATIONS of them, 10000 by default, but no more than WEIR_HEADER_SECONDS, 15. */
#include "header-judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { JSON = 4096, HEADER = 16384 };

static unsigned pick(unsigned n)
{
    return (unsigned)(rig_random() % n);
}

/* ---- ways to damage ------------------------------------------------------------------ */

static void flip_bits(uint8_t *at, unsigned size)
{
    for (unsigned n = 1 + pick(8); n--;)
        at[pick(size)] ^= (uint8_t)(1u << pick(8));
}

static void splice(uint8_t *at, unsigned size)
{
    unsigned from = pick(size), to = pick(size), length = 1 + pick(600);

    if (from + length <= size && to + length <= size)
        memmove(at + to, at + from, length);
}

static void blank(uint8_t *at, unsigned size)
{
    unsigned from = pick(size), length = 1 + pick(size - from);

    memset(at + from, pick(3) ? 0 : 0xff, length);
}

/* The lengths and offsets of both binary headers, LUKS1's numbers. */
static void change_number(uint8_t *disk)
{
    static const uint16_t places[] = { 6, 8, 12, 16, 104, 108, 164, 208, 212, 248, 252, 256, 260 };
    static const uint32_t values[] = { 0,      1,       2,          3,          0x1000,    0x2000,
                                       0x4000, 0x10000, 0x00ac71f3, 0x7fffffff, 0xffffffff };
    uint8_t *at = disk + places[pick(sizeof places / sizeof *places)] +
                  (memcmp(disk + HEADER, "SKUL", 4) || pick(2) ? 0 : HEADER);
    uint32_t value =
        pick(2) ? values[pick(sizeof values / sizeof *values)] : (uint32_t)rig_random();

    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A number, a word or a part of the text becomes another; the rest moves. */
static void change_json(uint8_t *json)
{
    static const char *const words[] = {
        "0",
        "1",
        "-1",
        "511",
        "4096",
        "32768",
        "16777216",
        "2147483647",
        "4294967296",
        "18446744073709551615",
        "99999999999999999999",
        "null",
        "{}",
        "[]",
        "\"dynamic\"",
        "\"\"",
        "true",
        "1e9",
        "0.5",
        "\"0\",\"1\"",
        "aes-cbc-plain64",
        "serpent-xts-plain64",
        "linear",
        "pbkdf2",
        "argon2i",
        "whirlpool",
        "offline-reencrypt",
        "unbound",
        "\\u0000",
        "luks2",
        "reencrypt",
    };
    char text[HEADER], rest[HEADER];
    size_t length = strnlen((char *)json, HEADER - JSON - 1);
    const char *word = words[pick(sizeof words / sizeof *words)];

    memcpy(text, json, length);
    text[length] = '\0';
    if (!length)
        return;
    size_t from = pick((unsigned)length), to;
    bool digits = pick(2);
    const char *stops = digits ? "0123456789" : "\"{}[]:,";
    if (digits) {
        from += strcspn(text + from, stops);
        to = from + strspn(text + from, stops);
    } else {
        from += strcspn(text + from, stops);
        from += from < length;
        to = from + strcspn(text + from, stops);
    }
    if (pick(8) == 0) /* a larger part is gone */
        to = from + pick((unsigned)(length - from + 1));
    snprintf(rest, sizeof rest, "%s", text + to);
    int n = snprintf(text + from, sizeof text - from, "%s%s", word, rest);
    length = n < 0 ? 0 : from + (size_t)n;
    if (length > HEADER - JSON - 1)
        return;
    memset(json, 0, HEADER - JSON);
    memcpy(json, text, length);
}

static void damage(struct rig *rig, int version)
{
    uint8_t *disk = rig->disk;
    unsigned size = version == 1 ? 592 : 2 * HEADER;

    switch (pick(version == 1 ? 5 : 9)) {
    case 0:
        flip_bits(disk, size);
        break;
    case 1:
        splice(disk, size);
        break;
    case 2:
        blank(disk, size);
        break;
    case 3:
        change_number(disk);
        break;
    case 4:
        flip_bits(disk, version == 1 ? RIG_HEAD : 200000); /* key material, too */
        break;
    default:
        for (unsigned n = 1 + pick(3); n--;)
            change_json(disk + JSON);
        if (pick(4))
            memcpy(disk + HEADER + JSON, disk + JSON, HEADER - JSON);
    }
    if (version == 2 && pick(4))
        judge_checksums(rig);
    if (!pick(12)) {
        static const uint64_t sizes[] = { 0, 1, 511, 4095, 4096, 16384, 20000, 40000, 1 << 20 };
        rig->medium.size = sizes[pick(sizeof sizes / sizeof *sizes)];
    }
    rig->medium.read_only = !pick(4);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void keep_for_later(const struct rig *rig, unsigned i)
{
    char name[64];

    snprintf(name, sizeof name, "header-mutation-%u", i);
    FILE *file = fopen(name, "w");
    if (file && fwrite(rig->disk, 1, RIG_HEAD, file) == RIG_HEAD)
        print_error("the header is kept as %s\n", name);
    if (file)
        fclose(file);
}

static void many(int version, unsigned most, double until)
{
    struct rig *rig = rig_create();
    struct secret volume;
    unsigned i, opened = 0;

    rig_format(rig, version, 256, "key", &volume);
    for (i = 0; i < most && seconds() < until; i++) {
        bool open;
        rig_back(rig);
        rig->medium.size = RIG_SIZE;
        damage(rig, version);
        const char *wrong = judge_header(rig, "key", &volume, &open);
        if (wrong)
            keep_for_later(rig, i);
        if (wrong)
            fail_msg("LUKS%d, mutation %u: %s", version, i, wrong);
        opened += open;
    }
    print_message("LUKS%d: %u mutations, of which %u opened\n", version, i, opened);
    assert_true(i < 200 || (opened && opened < i)); /* else they damage nothing, or all */
    secret_clear(&volume);
    rig_destroy(rig);
}

static unsigned setting(const char *name, unsigned fallback)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : fallback;
}

static void test_damaged_luks2(void **state)
{
    (void)state;
    many(2, setting("WEIR_HEADER_MUTATIONS", 10000) * 4 / 5,
         seconds() + setting("WEIR_HEADER_SECONDS", 15) * 0.8);
}

static void test_damaged_luks1(void **state)
{
    (void)state;
    many(1, setting("WEIR_HEADER_MUTATIONS", 10000) / 5,
         seconds() + setting("WEIR_HEADER_SECONDS", 15) * 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_luks2),
        cmocka_unit_test(test_damaged_luks1),
    };

    rig_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
