/* clock.c - may the CPU's counter be trusted, and how fast does it run?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

bool clock_counter;
uint64_t clock_scale = 1ull << 32;

/* The kernel has already judged whether the counter is invariant and the same on all
 * CPUs: it is its own clock source only then. */
static bool kernel_trusts_counter(void)
{
    char name[16] = "";
    FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

    if (!f)
        return false;
    if (!fgets(name, sizeof name, f))
        name[0] = '\0';
    fclose(f);
    return strcmp(name, "tsc\n") == 0;
}

static void measure(void)
{
#if defined(__x86_64__)
    if (!kernel_trusts_counter())
        return;
    const struct timespec pause = { .tv_nsec = 10000000 };
    uint64_t ns = clock_ns(), ticks = __builtin_ia32_rdtsc();
    nanosleep(&pause, NULL);
    ns = clock_ns() - ns;
    ticks = __builtin_ia32_rdtsc() - ticks;
    if (!ticks)
        return;
    clock_scale = (uint64_t)(((unsigned __int128)ns << 32) / ticks);
    clock_counter = true;
#endif
}

void clock_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* one counter per machine */

    pthread_once(&once, measure);
}
