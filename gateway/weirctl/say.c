/* say.c - what are people and programs told when it did not work?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../options.h"
#include "weirctl.h"

enum exit_code exit_code_of(int error)
{
    switch (error) {
    case 0:
        return DONE;
    case -ENOENT:
    case -ESTALE: /* a checkpoint that nothing is known of any more */
        return NOT_FOUND;
    case -EINVAL:
    case -ERANGE:
    case -EPERM:
    case -EACCES:
    case -EROFS:
    case -EKEYREJECTED:
    case -EBUSY:
    case -EEXIST:
    case -ENOEXEC:
    case -ENOTSUP:
        return REJECTED;
    case -ETIMEDOUT:
        return TIMED_OUT;
    default:
        return FAILED;
    }
}

static void add_place(struct json_object *to, const struct problem *problem)
{
    if (problem->file && *problem->file)
        add_text(to, "file", problem->file);
    if (problem->line)
        add_number(to, "line", problem->line);
    if (problem->column)
        add_number(to, "column", problem->column);
}

static void say_document(const struct problem *problems, size_t count)
{
    struct json_object *error = document(), *all = document();
    struct json_object *list = enough(json_object_new_array());
    const char *name = strerrorname_np(-problems->error);

    add_text(error, "errno", name ? name : "EIO");
    add_text(error, "message", problems->message);
    add_place(error, problems);
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = document();
        add_place(entry, &problems[i]);
        add_text(entry, "message", problems[i].message);
        json_object_array_add(list, entry);
    }
    if (count > 1)
        add_item(error, "mistakes", list);
    else
        json_object_put(list);
    add_item(all, "error", error);
    puts(json_object_to_json_string_ext(all,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    fflush(stdout);
    json_object_put(all);
}

static void say_line(const struct problem *problem)
{
    fputs("weirctl: ", stderr);
    if (problem->file && *problem->file) {
        fprintf(stderr, "%s:", problem->file);
        if (problem->line)
            fprintf(stderr, "%u:", problem->line);
        if (problem->column)
            fprintf(stderr, "%u:", problem->column);
        fputc(' ', stderr);
    }
    fprintf(stderr, "%s\n", problem->message);
}

enum exit_code say_problems(const struct invocation *invocation, const struct problem *problems,
                            size_t count)
{
    fflush(stdout);
    if (invocation->option[OPTION_JSON])
        say_document(problems, count);
    for (size_t i = 0; i < count && !invocation->option[OPTION_JSON]; i++)
        say_line(&problems[i]);
    return exit_code_of(problems->error);
}

static enum exit_code WEIR_PRINTF(3, 0)
    say_list(const struct invocation *invocation, int error, const char *format, va_list arguments)
{
    char *message = NULL;

    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    struct problem problem = { .error = error, .message = message ? message : strerror(ENOMEM) };
    enum exit_code code = say_problems(invocation, &problem, 1);
    free(message);
    return code;
}

enum exit_code say(const struct invocation *invocation, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    enum exit_code code = say_list(invocation, error, format, arguments);
    va_end(arguments);
    return code;
}

enum exit_code say_misuse(const struct invocation *invocation, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_list(invocation, -EINVAL, format, arguments);
    va_end(arguments);
    return MISUSED;
}

void print_nearest(struct weir_text *text, const char *word, const char *const *words)
{
    const char *near = nearest_word(word, words);

    if (near)
        weir_print(text, ", did you mean \"%s\"?", near);
}

enum exit_code finish_output(const struct invocation *invocation)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return DONE;
    /* The reader of a pipe who has seen enough is no failure of ours. */
    if (errno == EPIPE)
        return DONE;
    return say(invocation, -EIO, "cannot write the output: %s", strerror(errno));
}
