/* check.c - would a gateway take these files?  Answered without one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "../config/config.h"
#include "../loader.h"
#include "filters.h"
#include "weirctl.h"

static struct json_object *mistake_document(const char *file, const struct mistake *mistake)
{
    struct json_object *ret = document();

    add_text(ret, "file", mistake->file ? mistake->file : file);
    add_number(ret, "line", mistake->line);
    add_number(ret, "column", mistake->column);
    add_text(ret, "word", mistake->word ? mistake->word : "");
    add_text(ret, "message", mistake->sentence);
    return ret;
}

/* One file: its mistakes go to both, the text and the list. */
static enum exit_code check_file(const char *file, struct weir_text *text, struct json_object *list)
{
    struct mistakes mistakes = { 0 };
    bool missing = access(file, F_OK) != 0;
    int error = config_check(file, &mistakes);

    mistakes_print(&mistakes, text);
    for (size_t i = 0; i < mistakes.count; i++)
        json_object_array_add(list, mistake_document(file, &mistakes.list[i]));
    if (error && !mistakes.count) {
        struct mistake untold = { .sentence = strerror(-error) };
        weir_print(text, "%s: error: %s\n", file, strerror(-error));
        json_object_array_add(list, mistake_document(file, &untold));
    }
    mistakes_finish(&mistakes);
    return !error ? DONE : missing ? NOT_FOUND : REJECTED;
}

enum exit_code ctl_check(const struct invocation *invocation)
{
    struct json_object *list = enough(json_object_new_array());
    cleanup_text struct weir_text text = { 0 };
    enum exit_code worst = filters_begin(invocation);

    for (int i = 0; i < invocation->count; i++) {
        enum exit_code code = check_file(invocation->words[i], &text, list);
        worst = code > worst ? code : worst;
    }
    if (!invocation->option[OPTION_JSON]) {
        json_object_put(list);
        fputs(text_string(&text), stderr);
        return worst;
    }
    struct json_object *ret = document();
    add_item(ret, "mistakes", list);
    enum exit_code written = print_document(invocation, ret);
    return written ? written : worst;
}
