/* help.c - what does weirctl say of itself?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All of it comes from the tables in commands.c; tests/system/cli/manual.sh sees to it that
 * the man page says the same. */
#include <string.h>

#include "weirctl.h"

static void print_synopsis(const struct command *command, struct weir_text *text)
{
    weir_print(text, "%s%s%s%s%s", command->noun, *command->verb ? " " : "", command->verb,
               *command->arguments ? " " : "", command->arguments);
}

static void print_option(FILE *out, const struct option_row *row)
{
    cleanup_text struct weir_text option = { 0 };

    weir_print(&option, "--%s%s%s", row->name, row->argument ? "=" : "",
               row->argument ? row->argument : "");
    fprintf(out, "  %-25s %s\n", text_string(&option), row->sentence);
}

void print_help(FILE *out)
{
    fputs("usage: weirctl [--run=DIR] [--gateway=NAME] [--json] COMMAND ...\n"
          "Watches and changes the disks of running weir gateways.\n\ncommands:\n",
          out);
    for (const struct command *command = commands; command->noun; command++) {
        cleanup_text struct weir_text synopsis = { 0 };
        print_synopsis(command, &synopsis);
        if (synopsis.length > 25)
            fprintf(out, "  %s\n  %-25s %s\n", text_string(&synopsis), "", command->sentence);
        else
            fprintf(out, "  %-25s %s\n", text_string(&synopsis), command->sentence);
    }
    fputs("\noptions:\n", out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        print_option(out, &option_rows[i]);
    fputs("\nexit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 rejected, 5 timeout\n"
          "More in weirctl(8).\n",
          out);
}

void print_command_help(FILE *out, const struct command *command)
{
    cleanup_text struct weir_text synopsis = { 0 };

    print_synopsis(command, &synopsis);
    fprintf(out, "usage: weirctl %s\n%s\n", text_string(&synopsis), command->sentence);
    if (command->options)
        fputs("\noptions:\n", out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (command->options & TAKES(i))
            print_option(out, &option_rows[i]);
    fputs("\nOptions of all commands: weirctl help\n", out);
}

static struct json_object *commands_document(void)
{
    struct json_object *ret = document(), *list = enough(json_object_new_array());
    struct json_object *options = enough(json_object_new_array());

    for (const struct command *command = commands; command->noun; command++) {
        struct json_object *entry = document(), *takes = enough(json_object_new_array());
        add_text(entry, "noun", command->noun);
        add_text(entry, "verb", command->verb);
        add_text(entry, "arguments", command->arguments);
        for (size_t i = 0; i < OPTION_COUNT; i++)
            if (command->options & TAKES(i))
                json_object_array_add(takes, enough(json_object_new_string(option_rows[i].name)));
        add_item(entry, "options", takes);
        add_text(entry, "sentence", command->sentence);
        json_object_array_add(list, entry);
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        struct json_object *entry = document();
        add_text(entry, "name", option_rows[i].name);
        add_text(entry, "argument", option_rows[i].argument ? option_rows[i].argument : "");
        add_text(entry, "sentence", option_rows[i].sentence);
        add_flag(entry, "everywhere", i <= OPTION_HELP);
        json_object_array_add(options, entry);
    }
    add_item(ret, "commands", list);
    add_item(ret, "options", options);
    return ret;
}

/* `help export` lists the verbs of a noun, `help export grow` tells of one. */
enum exit_code ctl_help(const struct invocation *invocation)
{
    const char *noun = invocation->words[0], *verb = noun ? invocation->words[1] : NULL;
    const char *known[COMMANDS_MOST] = { NULL };
    size_t count = 0, printed = 0;

    if (!noun && invocation->option[OPTION_JSON])
        return print_document(invocation, commands_document());
    if (!noun) {
        print_help(stdout);
        return finish_output(invocation);
    }
    for (const struct command *command = commands; command->noun; command++) {
        bool is_noun = strcmp(command->noun, noun) == 0;
        known[count++] = verb && is_noun ? command->verb : command->noun;
        if (!is_noun || (verb && strcmp(command->verb, verb) != 0))
            continue;
        if (verb || !*command->verb) {
            print_command_help(stdout, command);
        } else {
            cleanup_text struct weir_text synopsis = { 0 };
            print_synopsis(command, &synopsis);
            printf("weirctl %s\n    %s\n", text_string(&synopsis), command->sentence);
        }
        printed++;
    }
    if (printed)
        return finish_output(invocation);
    cleanup_text struct weir_text near = { 0 };
    print_nearest(&near, verb ? verb : noun, known);
    return say_misuse(invocation, "unknown command \"%s%s%s\"%s; weirctl help lists them all", noun,
                      verb ? " " : "", verb ? verb : "", text_string(&near));
}
