/* test-control-metrics.c - does Prometheus get the right names and numbers?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether it accepts the text is promtool's to say: promtool.sh. */
#include "control-world.h"
#include "control/answer.h"
#include "control/metrics.h"
#include "gateway.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void names_are_in_base_units(void **state)
{
    static const struct {
        const char *filter, *stat, *unit;
        enum weir_stat_kind kind;
        const char *name;
        double scale;
    } rows[] = {
        { "cache", "hits", "requests", WEIR_COUNTER, "weir_cache_hits_total", 1 },
        { "cache", "dirty_bytes", "bytes", WEIR_GAUGE, "weir_cache_dirty_bytes", 1 },
        { "replication", "lag_ns", "ns", WEIR_VALUE, "weir_replication_lag_seconds", 1e-9 },
        { "replication", "lag_ms", "ms", WEIR_COUNTER, "weir_replication_lag_seconds_total", 1e-3 },
        { "x", "used", "%", WEIR_VALUE, "weir_x_used_ratio", 0.01 },
        { "x", "a_total", NULL, WEIR_COUNTER, "weir_x_a_total", 1 },
        { "x", "page_count", "", WEIR_GAUGE, "weir_x_page", 1 },
        { "x", "count", "", WEIR_GAUGE, "weir_x_value", 1 },
        { "store_vault", "recv_bytes", "bytes", WEIR_VALUE, "weir_store_vault_recv_bytes", 1 },
        { "my-Filter", "camelCase.x", "", WEIR_GAUGE, "weir_my_filter_camelcase_x", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct weir_stat stat = { .name = rows[i].stat,
                                        .unit = rows[i].unit,
                                        .kind = rows[i].kind };
        struct weir_text name = { 0 };
        double scale;
        metrics_own_name(rows[i].filter, &stat, &name, &scale);
        assert_string_equal(text_string(&name), rows[i].name);
        assert_true(scale == rows[i].scale);
        text_finish(&name);
    }
}

static void labels_are_escaped(void **state)
{
    struct weir_text labels = { 0 };

    (void)state;
    label_add(&labels, "export", "a\"b\\c\nd\xff\xc3\xa9");
    label_add(&labels, "op", NULL);
    assert_string_equal(text_string(&labels),
                        "export=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\",op=\"\"");
    text_finish(&labels);
}

/* The fixed buckets, from what the log-linear ones hold. */
static void buckets_are_cumulative(void **state)
{
    struct weir_histogram *h = calloc(1, sizeof(*h));
    struct metrics metrics = { 0 };
    struct weir_text labels = { 0 }, text = { 0 };

    (void)state;
    weir_record(h, 10000);             /* 10 us */
    weir_record(h, 150000);            /* 150 us */
    weir_record(h, 3000000);           /* 3 ms */
    weir_record(h, 7000000000);        /* 7 s */
    weir_record(h, 3000000000000000u); /* beyond the last bucket */
    label_add(&labels, "a", "b");
    sample_histogram(metrics_family(&metrics, "weir_x_seconds", "histogram", "Help."), &labels, h,
                     true, 1e-9);
    metrics_write(&metrics, &text);
    assert_string_equal(text_string(&text), "# HELP weir_x_seconds Help.\n"
                                            "# TYPE weir_x_seconds histogram\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"5e-05\"} 1\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.0001\"} 1\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.0002\"} 2\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.0005\"} 2\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.001\"} 2\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.002\"} 2\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.005\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.01\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.05\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"0.2\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"1\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"5\"} 3\n"
                                            "weir_x_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n"
                                            "weir_x_seconds_sum{a=\"b\"} 3000007.00316\n"
                                            "weir_x_seconds_count{a=\"b\"} 5\n");
    metrics_finish(&metrics);
    text_finish(&labels);
    text_finish(&text);
    free(h);
}

static void a_name_of_two_types_becomes_two(void **state)
{
    struct metrics metrics = { 0 };
    struct weir_text labels = { 0 }, text = { 0 };

    (void)state;
    label_add(&labels, "a", "b");
    for (int i = 0; i < 2; i++) {
        sample_number(metrics_family(&metrics, "weir_x", "gauge", "One\nline \\."), &labels, 1);
        sample_number(metrics_family(&metrics, "weir_x", "histogram", "Other."), &labels, 2);
    }
    metrics_write(&metrics, &text);
    assert_string_equal(text_string(&text), "# HELP weir_x One\\nline \\\\.\n"
                                            "# TYPE weir_x gauge\n"
                                            "weir_x{a=\"b\"} 1\n"
                                            "weir_x{a=\"b\"} 1\n"
                                            "# HELP weir_x_as_histogram Other.\n"
                                            "# TYPE weir_x_as_histogram histogram\n"
                                            "weir_x_as_histogram{a=\"b\"} 2\n"
                                            "weir_x_as_histogram{a=\"b\"} 2\n");
    metrics_finish(&metrics);
    text_finish(&labels);
    text_finish(&text);
}

static void has_line(const struct weir_text *text, const char *line)
{
    char all[512];

    snprintf(all, sizeof(all), "\n%s\n", line);
    if (!strstr(text_string(text), all))
        fail_msg("there is no line: %s", line);
}

static void the_world_is_told(void **state)
{
    struct weir_text text = { 0 };

    (void)state;
    world_start();
    world_traffic(10);
    metrics_print(&text);
    has_line(&text, "weir_build_info{gateway=\"unit\",version=\"" WEIR_VERSION "\"} 1");
    has_line(&text, "weir_datastore_free_bytes{gateway=\"unit\",datastore=\"local\"} 400");
    has_line(&text, "weir_export_info{gateway=\"unit\",export=\"vm1\",policy=\"gold\","
                    "datastore=\"local\"} 1");
    has_line(&text, "weir_export_state{gateway=\"unit\",export=\"vm1\",state=\"active\"} 1");
    has_line(&text, "weir_export_state{gateway=\"unit\",export=\"vm1\",state=\"locked\"} 0");
    has_line(&text,
             "weir_export_size_bytes{gateway=\"unit\",export=\"odd/\\\"\\\\\\n\xef\xbf\xbd%\"} "
             "1048576");
    has_line(&text, "weir_export_requests_total{gateway=\"unit\",export=\"vm1\",op=\"read\"} 5");
    has_line(&text,
             "weir_export_duration_seconds_count{gateway=\"unit\",export=\"vm1\",op=\"read\"} 5");
    has_line(&text, "weir_store_disk_held_bytes{gateway=\"unit\",export=\"vm1\"} 1048576");
    has_line(&text, "weir_filter_requests_total{gateway=\"unit\",export=\"vm1\",filter=\"pass\","
                    "op=\"write\"} 5");
    has_line(&text, "weir_sample_hits_total{gateway=\"unit\",export=\"vm1\",filter=\"sample\"} 10");
    has_line(&text,
             "weir_sample_lag_seconds{gateway=\"unit\",export=\"vm1\",filter=\"sample\"} -0.0015");
    has_line(&text, "weir_sample_wait_seconds_count{gateway=\"unit\",export=\"vm1\","
                    "filter=\"sample\"} 10");
    has_line(&text, "weir_sample_length_bytes_bucket{gateway=\"unit\",export=\"vm1\","
                    "filter=\"sample\",le=\"1024\"} 0");
    /* 4096 shares its bucket with the values up to 4351 */
    has_line(&text, "weir_sample_length_bytes_bucket{gateway=\"unit\",export=\"vm1\","
                    "filter=\"sample\",le=\"16384\"} 10");
    assert_null(strstr(text_string(&text), "swordfish"));
    text_finish(&text);
    world_stop();
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_base_units),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(buckets_are_cumulative),
        cmocka_unit_test(a_name_of_two_types_becomes_two),
        cmocka_unit_test(the_world_is_told),
    };

    (void)arguments;
    if (count > 1) { /* for promtool.sh: only the text */
        struct weir_text text = { 0 };
        world_start();
        world_traffic(1000);
        metrics_print(&text);
        fputs(text_string(&text), stdout);
        text_finish(&text);
        world_stop();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
