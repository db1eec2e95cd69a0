/* test-control-answer.c - is every bad line answered exactly, and every good one in full?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control-ask.h"
#include "control-world.h"
#include "control/control.h"
#include "events.h"

#include <errno.h>
#include <json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- lines ------------------------------------------------------------------- */

static void bad_lines_are_answered_exactly(void **state)
{
    (void)state;
    refused_line("", "EBADMSG", "the JSON of the request ends too early");
    refused_line("\n", "EBADMSG", "the JSON of the request ends too early");
    refused_line("{", "EBADMSG", "the JSON of the request ends too early");
    refused_line("hello", "EBADMSG", "the request is not JSON: unexpected character at byte 1");
    refused_line("{\"op\":\"get\",}", "EBADMSG",
                 "the request is not JSON: unexpected character at byte 13");
    refused_line("{\"op\":\"get\"} x", "EBADMSG",
                 "the request is not JSON: unexpected character at byte 14");
    refused_line("[]", "EBADMSG", "a request must be a JSON object");
    refused_line("null", "EBADMSG", "a request must be a JSON object");
    refused_line("17", "EBADMSG", "a request must be a JSON object");
    refused_line("{}", "EINVAL", "\"op\" is missing: it must be a string");
    refused_line("{\"op\":7}", "EINVAL", "\"op\" must be a string");
    refused_line("{\"op\":null}", "EINVAL", "\"op\" must be a string");
    refused_line("{\"op\":\"gte\"}", "EOPNOTSUPP", "\"gte\" is no op; did you mean \"get\"?");
    refused_line("{\"op\":\"frobnicate\"}", "EOPNOTSUPP", "\"frobnicate\" is no op");
    refused_line("{\"op\":\"get\"}", "EINVAL", "\"path\" is missing: it must be a string");
    refused_line("{\"op\":\"get\",\"path\":[]}", "EINVAL", "\"path\" must be a string");
    refused_line("{\"op\":\"get\",\"path\":\"a\\u0000b\"}", "EINVAL",
                 "\"path\" must not hold a NUL character");
    refused_line("{\"op\":\"set\",\"path\":\"metrics\"}", "EINVAL",
                 "\"text\" is missing: it must be a string");
    refused_line("{\"op\":\"set\",\"path\":\"metrics\",\"text\":1}", "EINVAL",
                 "\"text\" must be a string");
    refused_line("{\"op\":\"events\",\"after\":\"x\"}", "EINVAL",
                 "\"after\" must be a number of at least 0");
    refused_line("{\"op\":\"events\",\"after\":-1}", "EINVAL",
                 "\"after\" must be a number of at least 0");
    refused_line("{\"op\":\"show\",\"export\":{}}", "EINVAL", "\"export\" must be a string");
    refused(ask_line("{\0}", 3), "EINVAL", "the line holds a NUL byte");
}

static void deep_nesting_is_refused(void **state)
{
    enum { DEEP = 100000 };
    char *line = malloc(DEEP + 32);

    (void)state;
    size_t head = (size_t)sprintf(line, "{\"op\":\"get\",\"path\":");
    memset(line + head, '[', DEEP);
    refused(ask_line(line, head + DEEP), "EBADMSG",
            "the request is not JSON: nesting too deep at byte 23");
    free(line);
}

static void huge_lines_are_refused(void **state)
{
    size_t size = CONTROL_LINE + 1;
    char *line = malloc(size);

    (void)state;
    memset(line, 'x', size);
    refused(ask_line(line, size), "EINVAL", "the line is longer than 4194304 bytes");
    free(line);
}

/* ---- show and events --------------------------------------------------------- */

static struct json_object *in(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(object, key, &value))
        fail_msg("\"%s\" is missing", key);
    return value;
}

/* Names that control.h promises. */
static void has_all(struct json_object *object, const char *keys)
{
    char *copy = strdup(keys);

    for (char *rest = copy, *key; (key = strsep(&rest, " "));)
        in(object, key);
    free(copy);
}

static void show_has_the_promised_fields(void **state)
{
    (void)state;
    world_traffic(10);
    struct json_object *show = ask_text("{\"op\":\"show\"}");
    has_all(in(show, "gateway"), "name pid version uptime_s");
    struct json_object *exports = in(show, "exports");
    assert_int_equal(json_object_array_length(exports), 2);
    struct json_object *vm1 = json_object_array_get_idx(exports, 1);
    has_all(vm1,
            "name description state reason compliance compliance_reason policy datastore image "
            "uri size_bytes read_only connections in_flight waiting generation last_pause_ns "
            "longest_pause_ns ops store store_stats filters last_error hold_limit_ns");
    assert_string_equal(member(in(vm1, "store_stats"), "held_bytes"), "1048576");
    assert_null(json_object_object_get(in(vm1, "store_stats"), "words"));
    struct json_object *read = in(in(vm1, "ops"), "read");
    has_all(read, "requests bytes passed completed failed deferred derived derived_bytes here");
    has_all(in(read, "here"), "count sum max buckets p50 p90 p99 p999");
    assert_true(json_object_array_length(in(in(read, "here"), "buckets")) > 0);
    struct json_object *sample = json_object_array_get_idx(in(vm1, "filters"), 0);
    has_all(sample,
            "place label name class held oldest_hold_ns longest_hold_ns bypassed ops options "
            "stats histograms");
    has_all(in(in(sample, "histograms"), "length"), "count sum max buckets p50 p90 p99 p999");
    assert_string_equal(member(sample, "place"), "10-sample");
    assert_string_equal(member(in(sample, "options"), "mode"), "fast");
    has_all(in(in(sample, "ops"), "write"), "here below");
    assert_null(json_object_object_get(in(sample, "options"), "key"));
    assert_string_equal(member(in(sample, "stats"), "lag_ms_count"), "-1500000");
    has_all(json_object_array_get_idx(in(show, "filters"), 0),
            "name class version abi path description exports");
    has_all(json_object_array_get_idx(in(show, "policies"), 0), "name description file exports");
    has_all(json_object_array_get_idx(in(show, "datastores"), 0),
            "name type path latency_threshold exchange emulate live size_bytes free_bytes "
            "latency_ns in_flight exports");
    json_object_put(show);

    show = ask_text("{\"op\":\"show\",\"export\":\"vm1\"}");
    assert_int_equal(json_object_array_length(in(show, "exports")), 1);
    json_object_put(show);
    refused_line("{\"op\":\"show\",\"export\":\"vm9\"}", "ENOENT", "there is no export \"vm9\"");
}

static void show_is_valid_utf8(void **state)
{
    struct json_tokener *tokener = json_tokener_new();
    char *line = control_answer("{\"op\":\"show\"}", 13);

    (void)state;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *show = json_tokener_parse_ex(tokener, line, (int)strlen(line));
    assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
    assert_string_equal(member(json_object_array_get_idx(in(show, "exports"), 0), "name"),
                        "odd/\"\\\n\xef\xbf\xbd%");
    json_object_put(show);
    json_tokener_free(tokener);
    free(line);
}

static void events_come_after_a_number(void **state)
{
    (void)state;
    struct json_object *first = ask_text("{\"op\":\"events\"}");
    char line[64];
    int size =
        snprintf(line, sizeof(line), "{\"op\":\"events\",\"after\":%s}", member(first, "last"));
    struct json_object *none = ask_line(line, (size_t)size);
    assert_int_equal(json_object_array_length(in(none, "lines")), 0);
    event_post(WEIR_INFO, "vm1", NULL, "something new");
    struct json_object *one = ask_line(line, (size_t)size);
    assert_int_equal(json_object_array_length(in(one, "lines")), 1);
    const char *text = json_object_get_string(json_object_array_get_idx(in(one, "lines"), 0));
    assert_non_null(strstr(text, "export=vm1 text=\"something new\""));
    json_object_put(first);
    json_object_put(none);
    json_object_put(one);
}

/* ----
 * -------------------------------------------------------------------------------------------------------
 */

/* ---- ------------------------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_lines_are_answered_exactly),
        TEST(deep_nesting_is_refused),
        TEST(huge_lines_are_refused),
        TEST(show_has_the_promised_fields),
        TEST(show_is_valid_utf8),
        TEST(events_come_after_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
