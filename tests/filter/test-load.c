/* test-load.c - do the filters hold when many threads use, read and change them at once?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The real modules in this process, so that the sanitizers see them. */
#include "../verdict/stage.h"

#include <time.h>

static atomic_bool stop;
static atomic_int running;
static uint64_t seed;

struct outcome {
    uint64_t asked, failed;
};

static void *keep_asking(void *argument)
{
    struct outcome *outcome = argument;
    uint64_t random = seed + (uintptr_t)argument;
    uint8_t data[4096] = { 0 };

    while (!atomic_load(&stop)) {
        uint64_t r = next_random(&random);
        enum weir_op op = (enum weir_op)(r % WEIR_PREFETCH);
        uint64_t length = op == WEIR_FLUSH ? 0 : 512 * (1 + (r >> 8) % 8);
        uint64_t offset = op == WEIR_FLUSH ? 0 : (r >> 16) % (DISK - 4096);
        int error = ask(op, offset, length, 0, op <= WEIR_WRITE ? data : NULL);
        outcome->asked++;
        outcome->failed += error != 0;
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* A store whose bytes nobody looks at: the clients race for them on purpose. */
static int do_nothing(struct weir_request *req)
{
    if (req->op == WEIR_READ)
        memset(req->data, 0, req->length);
    return 0;
}

static uint64_t lines_of(const struct weir_text *text)
{
    uint64_t lines = 0;

    for (const char *c = text_string(text); *c; c++)
        lines += *c == '\n';
    return lines;
}

static uint64_t statistic(const char *label, const char *name)
{
    struct weir_text text = { 0 };

    assert_int_equal(export_print_stat(stage, label, name, &text), 0);
    uint64_t value = strtoull(text_string(&text), NULL, 10);
    text_finish(&text);
    return value;
}

/* No line of the trace is a mixture of two requests. */
static void check_trace(void)
{
    struct weir_text text = { 0 };
    char *rest = NULL;
    double last = 0;

    assert_int_equal(export_print_stat(stage, "inspection0", "trace", &text), 0);
    assert_true(lines_of(&text) <= 257 + 32);
    for (char *line = strtok_r(text.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char op[16], flags[32], error[16];
        unsigned long long offset, length, latency;
        double when;
        if (*line == '#' || strstr(line, " mark "))
            continue;
        assert_int_equal(sscanf(line, "%lf %15s %llu %llu %31s %llu %15s", &when, op, &offset,
                                &length, flags, &latency, error),
                         7);
        assert_true(when >= last);
        last = when;
        if (strcmp(op, "flush") == 0)
            assert_true(offset == 0 && length == 0);
        else
            assert_true(length % 512 == 0 && length <= 4096 && offset < DISK);
    }
    text_finish(&text);
}

static void run_verb(const char *label, const char *verb, const char *arguments)
{
    struct weir_text said = { 0 };

    assert_int_equal(export_run_verb(stage, label, verb, arguments, &said), 0);
    text_finish(&said);
}

static void set(const char *label, const char *option, const char *value)
{
    assert_int_equal(export_set_option(stage, label, option, value, NULL), 0);
}

static void test_everything_at_once(void **state)
{
    enum { THREADS = 6, ROUNDS = 60 };
    struct outcome outcomes[THREADS] = { 0 };
    pthread_t threads[THREADS];
    uint64_t asked = 0, failed = 0;

    (void)state;
    seed = seed_of_test();
    store_answer = do_nothing;
    stage_hold_limit = 0;
    assert_int_equal(stage_open_filters((const char *const[]){
                         "inspection ring=256", "fault rate=0.05 ops=read,write,trim error=EIO",
                         "fault rate=0.02 delay=100us delay_jitter=200us after=true",
                         "fault rate=0.01 ops=write,zero hold=true", NULL }),
                     0);
    atomic_store(&stop, false);
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, keep_asking, &outcomes[i]);
    /* at least so many rounds, and until there was something to see in them */
    for (int i = 0; i < ROUNDS || statistic("fault1", "errors") == 0; i++) {
        check_trace();
        set("inspection0", "trace", i % 8 ? "true" : "false");
        set("fault1", "ops", i % 2 ? "write" : "read, write,trim");
        set("fault2", "corrupt", i % 2 ? "true" : "false");
        run_verb("fault3", "release", "");
        if (i % 4 == 0)
            run_verb("inspection0", "mark", "a round");
        if (i % 16 == 15) {
            run_verb("inspection0", "clear", "");
            assert_int_equal(export_event(stage, WEIR_EVENT_CLONE, "c", 0, NULL), 0);
        }
        usleep(2000);
    }
    set("fault3", "hold", "false");
    atomic_store(&stop, true);
    while (atomic_load(&running)) { /* one that came before the change may be held after it */
        run_verb("fault3", "release", "");
        usleep(1000);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        asked += outcomes[i].asked;
        failed += outcomes[i].failed;
    }
    assert_int_equal(statistic("fault1", "errors"), failed);
    assert_int_equal(statistic("fault3", "held"), 0);
    assert_true(failed > 0);
    struct figures figures;
    uint64_t seen_by_top = 0;
    for (int op = 0; op < WEIR_OP_COUNT; op++) {
        assert_int_equal(
            export_figures(stage, PLACE_FILTER, "inspection0", (enum weir_op)op, &figures), 0);
        seen_by_top += figures.requests;
    }
    assert_int_equal(seen_by_top, asked);
    assert_int_equal(statistic("inspection0", "sequential_reads") +
                         statistic("inspection0", "random_reads"),
                     statistic("inspection0", "reads"));
}

/* ---- what inspection costs --------------------------------------------------- */

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t cost_of(const char *filter)
{
    enum { TURNS = 15, REQUESTS = 20000 };
    static uint8_t data[512];
    uint64_t best = UINT64_MAX;

    assert_int_equal(stage_open_filters((const char *const[]){ filter, NULL }), 0);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t began = cpu_ns();
        for (int i = 0; i < REQUESTS; i++)
            ask(WEIR_WRITE, (uint64_t)i * 4096 % DISK, 512, 0, data);
        uint64_t took = (cpu_ns() - began) / REQUESTS;
        if (took < best)
            best = took;
    }
    stage_close();
    return best;
}

/* Printed, never judged: a busy machine would decide. */
static void test_the_cost_is_printed(void **state)
{
    (void)state;
    store_answer = do_nothing;
    uint64_t pass = cost_of("pass"), traced = cost_of("inspection"),
             untraced = cost_of("inspection trace=false"), fault = cost_of("fault rate=0");
    print_message("beyond a pass filter, ns a request: inspection %lld, without trace %lld, "
                  "idle fault %lld\n",
                  (long long)(traced - pass), (long long)(untraced - pass),
                  (long long)(fault - pass));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_everything_at_once),
        STAGE_TEST(test_the_cost_is_printed),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
