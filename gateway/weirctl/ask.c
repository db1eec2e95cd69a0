/* ask.c - how is a gateway asked, and its refusal turned into a sentence and an exit code?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "gateways.h"
#include "progress.h"

enum { LONG_TIMEOUT_MS = 600000 };

void wait_seconds(double seconds)
{
    time_t whole = (time_t)seconds;

    nanosleep(&(struct timespec){ whole, (long)((seconds - (double)whole) * 1e9) }, NULL);
}

double now_seconds(void)
{
    return (double)clock_ns() / 1e9;
}

enum exit_code option_seconds(const struct invocation *invocation, enum option option, double min,
                              double *seconds)
{
    const char *text = invocation->option[option];
    char *end;

    if (!text)
        return DONE;
    *seconds = strtod(text, &end);
    /* written this way round, not-a-number is refused too */
    if (end == text || *end || !(*seconds >= min && *seconds <= 86400))
        return say_misuse(invocation, "--%s=%s: seconds from %g to 86400 are expected",
                          option_rows[option].name, text, min);
    return DONE;
}

enum exit_code option_count(const struct invocation *invocation, enum option option, uint64_t min,
                            uint64_t *count)
{
    const char *text = invocation->option[option];
    char *end;

    if (!text)
        return DONE;
    errno = 0;
    *count = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-' || errno || *count < min)
        return say_misuse(invocation, "--%s=%s: a number of at least %llu is expected",
                          option_rows[option].name, text, (unsigned long long)min);
    return DONE;
}

int timeout_ms(const struct invocation *invocation, int unless_given)
{
    double seconds = unless_given / 1000.0;

    option_seconds(invocation, OPTION_TIMEOUT, 0.001, &seconds); /* main() has judged it */
    return (int)(seconds * 1000);
}

struct json_object *request(const char *op, const char *path)
{
    struct json_object *ret = document();

    add_text(ret, "op", op);
    if (path)
        add_text(ret, "path", path);
    return ret;
}

void print_part(const char *name, struct weir_text *path)
{
    for (; *name; name++)
        weir_print(path, *name == '/' ? "%%2F" : "%c", *name);
}

enum exit_code say_silent(const struct invocation *invocation, const struct gateway *gateway)
{
    int error = gateway->error;

    if (error == -ESHUTDOWN)
        return say(invocation, error, "gateway \"%s\" went away before it answered", gateway->name);
    if (error == -ETIMEDOUT)
        return say(invocation, error,
                   "gateway \"%s\" did not answer in time; --timeout=SECONDS waits longer",
                   gateway->name);
    if (error == -EACCES)
        return say(invocation, error,
                   "cannot talk to gateway \"%s\": %s; be root or a member of its group",
                   gateway->name, strerror(EACCES));
    return say(invocation, error, "cannot talk to gateway \"%s\": %s", gateway->name,
               strerror(-error));
}

/* The mistakes of a text one by one; `known` is a file as the gateway calls it, `file` as
 * the user does. */
static enum exit_code say_mistakes(const struct invocation *invocation, int error,
                                   struct json_object *list, const char *known, const char *file)
{
    cleanup_free struct problem *problems = enough(calloc(items_of(list), sizeof(*problems)));

    for (size_t i = 0; i < items_of(list); i++) {
        struct json_object *mistake = json_object_array_get_idx(list, i);
        const char *name = text_of(mistake, "file");
        problems[i] = (struct problem){ .error = error,
                                        .message = text_of(mistake, "sentence"),
                                        .file = strcmp(name, known) == 0 ? file : name,
                                        .line = (unsigned)number_of(mistake, "line"),
                                        .column = (unsigned)number_of(mistake, "column") };
        /* a place that is no file and has no line says nothing that the sentence does not */
        if (!problems[i].line && !strchr(problems[i].file, '/'))
            problems[i].file = NULL;
    }
    return say_problems(invocation, problems, items_of(list));
}

enum exit_code say_refusal(const struct invocation *invocation, struct json_object *answer,
                           const char *known, const char *file)
{
    struct problem problem = { .error = control_error(answer, &problem.message) };
    struct json_object *mistakes = member_of(answer, "mistakes");

    if (!problem.error)
        return DONE;
    if (items_of(mistakes))
        return say_mistakes(invocation, problem.error, mistakes, known, file);
    if (!*problem.message)
        problem.message = strerror(-problem.error);
    return say_problems(invocation, &problem, 1);
}

enum exit_code say_answer(const struct invocation *invocation, struct json_object *answer)
{
    return say_refusal(invocation, answer, "", "");
}

/* A connection that failed once may be in the middle of a line: it is given up. */
static void note_error(struct gateway *gateway, int error)
{
    gateway->error = error;
    if (error) {
        control_close(gateway->control);
        gateway->control = NULL;
    }
}

static enum exit_code judge(const struct invocation *invocation, struct gateway *gateway, int error,
                            struct json_object *got, struct json_object **answer)
{
    note_error(gateway, error);
    if (error)
        return say_silent(invocation, gateway);
    enum exit_code code = say_answer(invocation, got);
    if (!code && answer)
        *answer = got;
    else
        json_object_put(got);
    return code;
}

/* One that has failed is not asked again: why it did is said again. */
static int call(const struct gateway *gateway, struct json_object *request, int timeout,
                struct json_object **got)
{
    return gateway->control ? control_call(gateway->control, request, timeout, got)
           : gateway->error ? gateway->error
                            : -ESHUTDOWN;
}

enum exit_code gateway_ask(const struct invocation *invocation, struct gateway *gateway,
                           struct json_object *request, struct json_object **answer)
{
    struct json_object *got = NULL;
    int error = call(gateway, request, timeout_ms(invocation, CONTROL_TIMEOUT_MS), &got);

    json_object_put(request);
    return judge(invocation, gateway, error, got, answer);
}

/* A call on a thread of its own, so that this one can show that it goes on. */
struct long_call {
    const struct gateway *gateway;
    struct json_object *request, *answer;
    int timeout_ms, error;
    struct progress *progress;
};

static void *run_long_call(void *arg)
{
    struct long_call *l = arg;

    l->error = call(l->gateway, l->request, l->timeout_ms, &l->answer);
    progress_done(l->progress);
    return NULL;
}

enum exit_code gateway_ask_long(const struct invocation *invocation, struct gateway *gateway,
                                struct json_object *request, const char *what,
                                struct json_object **answer)
{
    struct progress progress;
    struct long_call l = { .gateway = gateway,
                           .request = request,
                           .timeout_ms = timeout_ms(invocation, LONG_TIMEOUT_MS),
                           .progress = &progress };
    pthread_t thread;

    progress_init(&progress, what, invocation->option[OPTION_JSON] != NULL);
    int error = pthread_create(&thread, NULL, run_long_call, &l);
    if (error) {
        run_long_call(&l);
    } else {
        progress_show(&progress);
        pthread_join(thread, NULL);
    }
    progress_finish(&progress);
    json_object_put(request);
    return judge(invocation, gateway, l.error, l.answer, answer);
}

/* *refusal: what the gateway says where it answers, but not that; the caller frees it. */
static int ask_show(const struct invocation *invocation, struct gateway *gateway,
                    const char *export, char **refusal)
{
    struct json_object *ask = request("show", NULL);
    const char *message;

    *refusal = NULL;
    if (export)
        add_text(ask, "export", export);
    json_object_put(gateway->show);
    gateway->show = NULL;
    int error = call(gateway, ask, timeout_ms(invocation, CONTROL_TIMEOUT_MS), &gateway->show);
    json_object_put(ask);
    note_error(gateway, error);
    if (error)
        return error;
    error = control_error(gateway->show, &message);
    if (error) {
        *refusal = enough(strdup(*message ? message : strerror(-error)));
        json_object_put(gateway->show);
        gateway->show = NULL;
    }
    return error;
}

int gateway_show(const struct invocation *invocation, struct gateway *gateway, const char *export)
{
    cleanup_free char *refusal = NULL;

    return ask_show(invocation, gateway, export, &refusal);
}

enum exit_code gateways_show(const struct invocation *invocation, struct gateways *all)
{
    enum exit_code worst = DONE;

    for (size_t i = 0; i < all->count; i++) {
        struct gateway *gateway = &all->list[i];
        cleanup_free char *refusal = NULL;
        int error = gateway->control ? ask_show(invocation, gateway, NULL, &refusal) : 0;
        if (!error)
            continue;
        if (!invocation->option[OPTION_JSON] && !refusal)
            say_silent(invocation, gateway);
        else if (!invocation->option[OPTION_JSON])
            say(invocation, error, "gateway \"%s\": %s", gateway->name, refusal);
        enum exit_code code = exit_code_of(error);
        if (code > worst)
            worst = code;
    }
    return worst;
}
