/* units.c - how much is "20G", "5ms", "10k"?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "units.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* From the largest to the smallest; printing takes the first that divides. */
static const struct unit binary[] = {
    { "P", 1ull << 50 }, { "T", 1ull << 40 }, { "G", 1ull << 30 },
    { "M", 1ull << 20 }, { "K", 1ull << 10 }, { "", 1 },
};
static const struct unit decimal[] = {
    { "T", 1000000000000ull },
    { "G", 1000000000ull },
    { "M", 1000000ull },
    { "k", 1000ull },
    { "", 1 },
};
static const struct unit times[] = {
    { "h", 3600000000000ull }, { "m", 60000000000ull }, { "s", 1000000000ull },
    { "ms", 1000000ull },      { "us", 1000ull },       { "ns", 1 },
};

/* A decimal number, as integer and tenths, hundredths, …; *text is moved behind it. */
struct number {
    uint64_t digits; /* without the point */
    uint64_t scale;  /* 10 to the number of digits behind the point */
    bool too_large;
};

static int take_number(const char **text, struct number *n)
{
    bool any = false, point = false;

    *n = (struct number){ .scale = 1 };
    for (;; (*text)++) {
        char c = **text;
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        any = true;
        if (__builtin_mul_overflow(n->digits, 10, &n->digits) ||
            __builtin_add_overflow(n->digits, (uint64_t)(c - '0'), &n->digits) ||
            (point && __builtin_mul_overflow(n->scale, 10, &n->scale)))
            n->too_large = true;
    }
    return any && (*text)[-1] != '.' ? 0 : -EINVAL;
}

/* digits × factor ÷ scale, if that is whole and fits into 63 bits: a disk's offsets are
 * signed in every interface below us. */
static int scaled(const struct number *n, uint64_t factor, uint64_t *ret)
{
    if (n->too_large)
        return -ERANGE;
    unsigned __int128 product = (unsigned __int128)n->digits * factor;
    if (product % n->scale)
        return -EINVAL;
    product /= n->scale;
    if (product > INT64_MAX)
        return -ERANGE;
    *ret = (uint64_t)product;
    return 0;
}

static uint64_t factor_of(const struct unit *units, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == length && !strncasecmp(units[i].name, name, length))
            return units[i].factor;
    }
    return 0;
}

#define FACTOR(units, name, length) factor_of(units, sizeof units / sizeof *units, name, length)

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " ");
}

int parse_size(const char *text, uint64_t *bytes)
{
    struct number n;

    if (take_number(&text, &n))
        return -EINVAL;
    text = skip_blanks(text);
    size_t length = strlen(text);
    if (length == 3 && !strcasecmp(text + 1, "iB"))
        length = 1;
    else if (length && length <= 2 && !strcasecmp(text + length - 1, "B"))
        length--;
    uint64_t factor = FACTOR(binary, text, length);
    return factor ? scaled(&n, factor, bytes) : -EINVAL;
}

int parse_time(const char *text, uint64_t *ns)
{
    struct number n;

    if (take_number(&text, &n))
        return -EINVAL;
    text = skip_blanks(text);
    /* nothing is nothing in every unit */
    uint64_t factor = !*text && !n.digits ? 1 : FACTOR(times, text, strlen(text));
    return factor ? scaled(&n, factor, ns) : -EINVAL;
}

int parse_rate(const char *text, uint64_t *per_second)
{
    struct number n;

    if (!strcasecmp(text, "max")) {
        *per_second = 0;
        return 0;
    }
    if (take_number(&text, &n))
        return -EINVAL;
    text = skip_blanks(text);
    size_t length = strlen(text);
    if (length >= 2 && !strcmp(text + length - 2, "/s"))
        length -= 2;
    uint64_t factor;
    if (length == 3 && !strncasecmp(text + 1, "iB", 2))
        factor = FACTOR(binary, text, 1);
    else if (length && !strncasecmp(text + length - 1, "B", 1))
        factor = FACTOR(decimal, text, length - 1);
    else
        factor = FACTOR(decimal, text, length);
    return factor ? scaled(&n, factor, per_second) : -EINVAL;
}

static const struct unit *largest_divisor(const struct unit *units, uint64_t value)
{
    while (value % units->factor)
        units++;
    return units;
}

static void print_amount(uint64_t value, const struct unit *unit, const char *tail,
                         struct weir_text *text)
{
    weir_print(text, "%llu%s%s", (unsigned long long)(value / unit->factor), unit->name, tail);
}

void print_size(uint64_t bytes, struct weir_text *text)
{
    if (!bytes)
        weir_print(text, "0");
    else
        print_amount(bytes, largest_divisor(binary, bytes), "", text);
}

void print_time(uint64_t ns, struct weir_text *text)
{
    if (!ns)
        weir_print(text, "0s");
    else
        print_amount(ns, largest_divisor(times, ns), "", text);
}

void print_rate(uint64_t per_second, struct weir_text *text)
{
    if (!per_second) {
        weir_print(text, "max");
        return;
    }
    const struct unit *tens = largest_divisor(decimal, per_second);
    const struct unit *twos = largest_divisor(binary, per_second);
    /* 4096 requests are no "4KiB"; from MiB on it is bytes that somebody wrote so */
    if (twos->factor >= 1ull << 20 && twos->factor > tens->factor)
        print_amount(per_second, twos, "iB", text);
    else
        print_amount(per_second, tens, "", text);
}
