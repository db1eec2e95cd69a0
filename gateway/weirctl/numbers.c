/* numbers.c - how does a person read a number at a glance?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "weirctl.h"

/* Three digits that matter: 1.20, 12.3, 123. */
static void show_three(double value, struct weir_text *text)
{
    weir_print(text, "%.*f", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value);
}

void show_count(double count, struct weir_text *text)
{
    static const char *const suffix[] = { "", "k", "M", "G", "T", "P" };
    size_t i = 0;

    while (count >= 999.5 && i + 1 < sizeof(suffix) / sizeof(*suffix)) {
        count /= 1000;
        i++;
    }
    if (i)
        show_three(count, text);
    else
        weir_print(text, "%.*f", count > 0 && count < 9.95 && count != (int)count, count);
    weir_print(text, "%s", suffix[i]);
}

void show_bytes(double bytes, struct weir_text *text)
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    size_t i = 0;

    while (bytes >= 1023.5 && i + 1 < sizeof(unit) / sizeof(*unit)) {
        bytes /= 1024;
        i++;
    }
    /* sizes are mostly round: "20 GiB", not "20.0 GiB" */
    if (bytes == (unsigned)bytes || bytes >= 99.95)
        weir_print(text, "%.0f %s", bytes, unit[i]);
    else
        weir_print(text, "%.1f %s", bytes, unit[i]);
}

void show_rate(double bytes, struct weir_text *text)
{
    if (bytes < 0.5) {
        weir_print(text, "0");
        return;
    }
    show_bytes(bytes, text);
    weir_print(text, "/s");
}

void show_latency(uint64_t ns, struct weir_text *text)
{
    const char *micro = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "µs" : "us";

    if (ns == 0) {
        weir_print(text, "-");
    } else if (ns < 1000) {
        weir_print(text, "%u ns", (unsigned)ns);
    } else if (ns < 999500) {
        show_three((double)ns / 1e3, text);
        weir_print(text, " %s", micro);
    } else if (ns < 999500000) {
        show_three((double)ns / 1e6, text);
        weir_print(text, " ms");
    } else {
        show_three((double)ns / 1e9, text);
        weir_print(text, " s");
    }
}

void show_duration(uint64_t s, struct weir_text *text)
{
    unsigned long long seconds = s;

    if (seconds >= 86400)
        weir_print(text, "%llu d %llu h", seconds / 86400, seconds % 86400 / 3600);
    else if (seconds >= 3600)
        weir_print(text, "%llu h %llu min", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        weir_print(text, "%llu min", seconds / 60);
    else
        weir_print(text, "%llu s", seconds);
}

static struct number take(struct weir_text *text)
{
    struct number number;

    snprintf(number.text, sizeof(number.text), "%s", text_string(text));
    text_finish(text);
    return number;
}

struct number count_number(double count)
{
    struct weir_text text = { 0 };

    show_count(count, &text);
    return take(&text);
}

struct number bytes_number(double bytes)
{
    struct weir_text text = { 0 };

    show_bytes(bytes, &text);
    return take(&text);
}

struct number rate_number(double bytes)
{
    struct weir_text text = { 0 };

    show_rate(bytes, &text);
    return take(&text);
}

struct number latency_number(uint64_t ns)
{
    struct weir_text text = { 0 };

    show_latency(ns, &text);
    return take(&text);
}
