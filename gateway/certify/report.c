/* report.c - how does a report read, for people, for programs and in a browser?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include "../control/json-out.h"

#include <inttypes.h>
#include <stdio.h>

const char *verdict_word(int verdict)
{
    static const char *const words[] = { "undecided", "passed", "failed", "not applicable" };

    return words[verdict];
}

unsigned report_count(const struct report *r, enum verdict v)
{
    unsigned n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += r->results[i].outcome && atomic_load(&r->results[i].outcome->verdict) == (int)v;
    return n;
}

/* "12 kills, 3.5 ns …" */
static void print_figures(const struct outcome *o, struct weir_text *text)
{
    for (unsigned i = 0; i < o->figures; i++)
        weir_print(text, "%s%s %.0f%s%s", i ? ", " : "", o->figure[i].name, o->figure[i].value,
                   *o->figure[i].unit ? " " : "", o->figure[i].unit);
}

/* ---- text --------------------------------------------------------------------------- */

void report_head(const struct report *r, struct weir_text *text)
{
    const struct about *a = r->kit->about;

    weir_print(text, "filter  %s %s: %s\n", a->name, a->version, a->summary);
    weir_print(text, "file    %s\nsha256  %s\n", r->kit->path, r->digest);
    if (r->kit->policy)
        weir_print(text, "policy  %s\n", r->kit->policy);
    weir_print(text, "ABI     %u; class %s\n", a->abi, class_name((enum weir_class)a->klass));
    weir_print(text, "host    %s\nseed    %" PRIu64 "\n\n", r->host, r->kit->seed);
}

void report_line(const struct outcome *o, const struct check *c, struct weir_text *text)
{
    int verdict = atomic_load(&o->verdict);

    weir_print(text, "%-14s  %-9s", verdict_word(verdict), c->name);
    if (*o->reason)
        weir_print(text, " %s", o->reason);
    else
        print_figures(o, text);
    weir_print(text, "\n");
}

void report_foot(const struct report *r, struct weir_text *text)
{
    weir_print(text, "\n%u passed, %u failed, %u not applicable\n", report_count(r, PASSED),
               report_count(r, FAILED), report_count(r, NOT_APPLICABLE));
}

/* ---- JSON --------------------------------------------------------------------------- */

static void json_check(struct json_out *out, const struct result *result)
{
    const struct outcome *o = result->outcome;

    out_open(out, NULL, '{');
    out_text(out, "name", result->check->name);
    out_text(out, "sentence", result->check->sentence);
    out_text(out, "verdict", verdict_word(atomic_load(&o->verdict)));
    out_text(out, "reason", o->reason);
    out_number(out, "duration_ms", (uint64_t)(o->seconds * 1000));
    out_open(out, "figures", '[');
    for (unsigned i = 0; i < o->figures; i++) {
        out_open(out, NULL, '{');
        out_text(out, "name", o->figure[i].name);
        out_number(out, "value", o->figure[i].value > 0 ? (uint64_t)o->figure[i].value : 0);
        out_text(out, "unit", o->figure[i].unit);
        out_close(out, '}');
    }
    out_close(out, ']');
    out_close(out, '}');
}

char *report_json(const struct report *r)
{
    const struct about *a = r->kit->about;
    struct json_out out = { 0 };

    out_open(&out, NULL, '{');
    out_text(&out, "filter", a->name);
    out_text(&out, "version", a->version);
    out_number(&out, "abi", a->abi);
    out_text(&out, "class", class_name((enum weir_class)a->klass));
    out_text(&out, "file", r->kit->path);
    out_text(&out, "sha256", r->digest);
    if (r->kit->policy)
        out_text(&out, "policy", r->kit->policy);
    out_text(&out, "host", r->host);
    out_number(&out, "seed", r->kit->seed);
    out_number(&out, "passed", report_count(r, PASSED));
    out_number(&out, "failed", report_count(r, FAILED));
    out_number(&out, "not_applicable", report_count(r, NOT_APPLICABLE));
    out_open(&out, "checks", '[');
    for (size_t i = 0; i < r->count; i++)
        if (r->results[i].outcome)
            json_check(&out, &r->results[i]);
    out_close(&out, ']');
    out_close(&out, '}');
    weir_print(&out.text, "\n");
    return text_take(&out.text);
}

/* ---- HTML --------------------------------------------------------------------------- */

static void escaped(struct weir_text *text, const char *words)
{
    for (; *words; words++)
        switch (*words) {
        case '<':
            weir_print(text, "&lt;");
            break;
        case '>':
            weir_print(text, "&gt;");
            break;
        case '&':
            weir_print(text, "&amp;");
            break;
        case '"':
            weir_print(text, "&quot;");
            break;
        default:
            text_append(text, words, 1);
        }
}

static const char html_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>weir-certify</title>\n"
    "<style>body{font:15px/1.5 sans-serif;max-width:64em;margin:2em auto;padding:0 1em}"
    "pre{background:#f4f4f4;padding:1em;overflow:auto}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.4em .8em;border-bottom:1px solid #ddd}"
    ".passed{color:#176d2b}.failed{color:#b00020;font-weight:bold}.not{color:#666}"
    "small{color:#666}</style></head><body>\n";

static void html_row(struct weir_text *text, const struct result *result)
{
    const struct outcome *o = result->outcome;
    const char *word = verdict_word(atomic_load(&o->verdict));

    weir_print(text, "<tr><td class=\"%s\">%s</td><td>%s</td><td>", word, word,
               result->check->name);
    escaped(text, result->check->sentence);
    if (*o->reason) {
        weir_print(text, "<br><b>");
        escaped(text, o->reason);
        weir_print(text, "</b>");
    }
    weir_print(text, "<br><small>");
    print_figures(o, text);
    weir_print(text, "</small></td><td>%.1f s</td></tr>\n", o->seconds);
}

char *report_html(const struct report *r)
{
    cleanup_text struct weir_text head = { 0 };
    struct weir_text text = { 0 };

    report_head(r, &head);
    weir_print(&text, "%s<h1>", html_head);
    escaped(&text, r->kit->about->name);
    weir_print(&text, ": %u passed, %u failed, %u not applicable</h1>\n<pre>",
               report_count(r, PASSED), report_count(r, FAILED), report_count(r, NOT_APPLICABLE));
    escaped(&text, text_string(&head));
    weir_print(&text, "</pre>\n<table><tr><th>verdict</th><th>check</th><th>what it asks</th>"
                      "<th>time</th></tr>\n");
    for (size_t i = 0; i < r->count; i++)
        if (r->results[i].outcome)
            html_row(&text, &r->results[i]);
    weir_print(&text, "</table></body></html>\n");
    return text_take(&text);
}
