/* main.c - how does a command line find its command?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "weirctl.h"

enum { EVERYWHERE = TAKES(OPTION_HELP + 1) - 1 }; /* the options up to OPTION_HELP */

const char *run_folder(const struct invocation *invocation)
{
    const char *run = invocation->option[OPTION_RUN];

    if (!run)
        run = getenv("WEIR_RUN");
    return run && *run ? run : "/run/weir";
}

/* Takes one "--name[=value]" out of the command line.  `next` is the word after it. */
static enum exit_code take_option(struct invocation *invocation, const char *word, char *next,
                                  bool *took_next)
{
    const char *names[OPTION_COUNT + 1] = { NULL };
    const char *equals = strchrnul(word, '=');

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        names[i] = row->name;
        if (strlen(row->name) != (size_t)(equals - word) ||
            strncmp(row->name, word, (size_t)(equals - word)) != 0)
            continue;
        if (!row->argument && *equals)
            return say_misuse(invocation, "--%s takes no value: --%s", row->name, word);
        if (row->argument && !*equals && !next)
            return say_misuse(invocation, "--%s needs a value: --%s=%s", row->name, row->name,
                              row->argument);
        *took_next = row->argument && !*equals;
        invocation->option[i] = !row->argument ? "" : *equals ? equals + 1 : next;
        return DONE;
    }
    cleanup_text struct weir_text near = { 0 };
    cleanup_free char *name = strndup(word, (size_t)(equals - word));
    print_nearest(&near, name ? name : word, names);
    return say_misuse(invocation, "unknown option \"--%s\"%s; weirctl --help lists them all", word,
                      text_string(&near));
}

/* Sorts argv into options and words; the words stay in argv's order. */
static enum exit_code take_options(struct invocation *invocation, char **argv)
{
    bool all_words = false;

    /* An error in an earlier option is told as JSON even when --json comes later. */
    for (char **arg = argv; *arg && strcmp(*arg, "--") != 0; arg++)
        if (strcmp(*arg, "--json") == 0)
            invocation->option[OPTION_JSON] = "";
    for (char **arg = argv; *arg; arg++) {
        bool took_next = false;
        if (all_words || strncmp(*arg, "-", 1) != 0 || strcmp(*arg, "-") == 0) {
            invocation->words[invocation->count++] = *arg;
        } else if (strcmp(*arg, "--") == 0) {
            all_words = true;
        } else if (strcmp(*arg, "-h") == 0) {
            invocation->option[OPTION_HELP] = "";
        } else if (strcmp(*arg, "-V") == 0 || strcmp(*arg, "--version") == 0) {
            invocation->words[invocation->count++] = "version"; /* as one asks any program */
        } else if (strncmp(*arg, "--", 2) != 0) {
            return say_misuse(invocation,
                              "unknown option \"%s\"; options are --words, see "
                              "weirctl --help",
                              *arg);
        } else {
            enum exit_code code = take_option(invocation, *arg + 2, arg[1], &took_next);
            if (code)
                return code;
            arg += took_next;
        }
    }
    return DONE;
}

/* The first unknown word of a command line, with the nearest that would have done. */
static enum exit_code unknown_command(const struct invocation *invocation, const char *noun)
{
    const char *known[COMMANDS_MOST] = { NULL };
    size_t count = 0;
    cleanup_text struct weir_text near = { 0 };
    const char *word = invocation->words[noun ? 1 : 0];

    for (const struct command *c = commands; c->noun; c++)
        if (!noun || strcmp(c->noun, noun) == 0)
            known[count++] = noun ? c->verb : c->noun;
    if (noun && !word) {
        for (size_t i = 0; i < count; i++)
            weir_print(&near, "%s%s", i ? ", " : "", known[i]);
        return say_misuse(invocation, "\"%s\" needs one of: %s", noun, text_string(&near));
    }
    print_nearest(&near, word, known);
    return say_misuse(invocation, "unknown command \"%s%s%s\"%s; weirctl help lists them all",
                      noun ? noun : "", noun ? " " : "", word, text_string(&near));
}

static enum exit_code find_command(struct invocation *invocation)
{
    const char *known_noun = NULL;
    char **words = invocation->words;

    for (const struct command *c = commands; c->noun && words[0]; c++) {
        if (strcmp(c->noun, words[0]) != 0)
            continue;
        known_noun = c->noun;
        int taken = *c->verb ? 2 : 1;
        if (taken == 2 && (!words[1] || strcmp(c->verb, words[1]) != 0))
            continue;
        invocation->command = c;
        invocation->words += taken;
        invocation->count -= taken;
        return DONE;
    }
    return unknown_command(invocation, known_noun);
}

static enum exit_code check_arguments(const struct invocation *invocation)
{
    const struct command *command = invocation->command;
    int least = 0, most = 0;

    for (const char *at = command->arguments; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        least += *at != '[';
        most++;
    }
    if (strstr(command->arguments, "..."))
        most = invocation->count;
    const char *space = *command->verb ? " " : "";
    if (invocation->count < least || invocation->count > most)
        return say_misuse(invocation, "usage: weirctl %s%s%s%s%s", command->noun, space,
                          command->verb, *command->arguments ? " " : "", command->arguments);
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (invocation->option[i] && !((command->options | EVERYWHERE) & TAKES(i)))
            return say_misuse(invocation, "\"%s%s%s\" does not take --%s", command->noun, space,
                              command->verb, option_rows[i].name);
    return DONE;
}

int main(int argc, char **argv)
{
    struct invocation invocation = { 0 };
    cleanup_free char **words = calloc((size_t)argc + 1, sizeof(*words));

    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* JSON has points, whatever the user's country */
    signal(SIGPIPE, SIG_IGN);
    invocation.words = enough(words);
    enum exit_code code = take_options(&invocation, argv + 1);
    if (code)
        return code;
    if (invocation.count == 0 && !invocation.option[OPTION_HELP]) {
        say_misuse(&invocation, "which command? weirctl help lists them all");
        return MISUSED;
    }
    if (invocation.count == 0) {
        print_help(stdout);
        return finish_output(&invocation);
    }
    code = find_command(&invocation);
    if (code)
        return code;
    if (invocation.option[OPTION_HELP]) {
        print_command_help(stdout, invocation.command);
        return finish_output(&invocation);
    }
    code = check_arguments(&invocation);
    double unused;
    if (!code)
        code = option_seconds(&invocation, OPTION_TIMEOUT, 0.001, &unused);
    return code ? code : invocation.command->run(&invocation);
}
