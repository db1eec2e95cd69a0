/* test-control-client.c - does the client ever hang, and does it say what happened?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The gateway here is a script: what to send back, and whether to hang up then. */
#include "control/control.h"
#include "control/wire.h"

#include <errno.h>
#include <json.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct script {
    char run[128];
    int listener;
    pthread_t thread;
    const char *answer; /* sent when a line has come; NULL: wait until the client hangs up */
    size_t answer_size;
    char got[256]; /* the request */
};

static void *play(void *arg)
{
    struct script *script = arg;
    int fd = accept(script->listener, NULL, NULL);
    size_t filled = 0;

    while (filled < sizeof(script->got) - 1) {
        ssize_t n = recv(fd, script->got + filled, sizeof(script->got) - 1 - filled, 0);
        if (n <= 0)
            break;
        filled += (size_t)n;
        if (script->got[filled - 1] == '\n') {
            if (script->answer) {
                send(fd, script->answer, script->answer_size, MSG_NOSIGNAL);
                break;
            }
        }
    }
    close(fd);
    return NULL;
}

static int setup(void **state)
{
    struct script *script = calloc(1, sizeof(*script));
    char folder[160];

    snprintf(script->run, sizeof(script->run), "/tmp/weir-unit.XXXXXX");
    assert_non_null(mkdtemp(script->run));
    snprintf(folder, sizeof(folder), "%s/ctl", script->run);
    assert_int_equal(mkdir(folder, 0700), 0);
    struct sockaddr_un address;
    int folder_fd;
    assert_int_equal(wire_address(folder, "g.sock", &address, &folder_fd), 0);
    script->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    *state = script;
    return 0;
}

static int teardown(void **state)
{
    struct script *script = *state;
    char path[192];

    close(script->listener);
    snprintf(path, sizeof(path), "%s/ctl/g.sock", script->run);
    unlink(path);
    snprintf(path, sizeof(path), "%s/ctl/x.txt", script->run);
    unlink(path);
    snprintf(path, sizeof(path), "%s/ctl/a.sock", script->run);
    unlink(path);
    snprintf(path, sizeof(path), "%s/ctl", script->run);
    rmdir(path);
    rmdir(script->run);
    free(script);
    return 0;
}

static struct control *begin(struct script *script, const char *answer, size_t size)
{
    struct control *control = NULL;

    script->answer = answer;
    script->answer_size = size;
    assert_int_equal(listen(script->listener, 5), 0);
    assert_int_equal(pthread_create(&script->thread, NULL, play, script), 0);
    assert_int_equal(control_connect(script->run, "g", &control), 0);
    return control;
}

static void end(struct script *script, struct control *control)
{
    control_close(control);
    pthread_join(script->thread, NULL);
}

static void nobody_listens(void **state)
{
    struct script *script = *state;
    struct control *control = NULL;

    assert_int_equal(control_connect(script->run, "g", &control), -ECONNREFUSED);
    assert_int_equal(control_connect(script->run, "none", &control), -ENOENT);
    assert_int_equal(control_connect(script->run, "../ctl/g", &control), -ENOENT);
    assert_int_equal(control_connect(script->run, "", &control), -ENOENT);
    assert_int_equal(control_connect("/nowhere", "g", &control), -ENOENT);
    control_close(NULL);
}

static void get_gives_the_text_with_its_size(void **state)
{
    static const char answer[] = "{\"ok\":true,\"text\":\"a\\u0000b\\n\"}\n";
    struct control *control = begin(*state, answer, sizeof(answer) - 1);
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(control_get(control, "exports/a%2Fb/state", &text, &size, NULL), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(text, "a\0b\n", 5);
    free(text);
    end(*state, control);
    assert_string_equal(((struct script *)*state)->got,
                        "{\"op\":\"get\",\"path\":\"exports/a%2Fb/state\"}\n");
}

static void set_sends_the_text_and_gives_the_sentence(void **state)
{
    static const char answer[] =
        "{\"ok\":false,\"errno\":\"ERANGE\",\"message\":\"option shares: too many\"}\n";
    struct control *control = begin(*state, answer, sizeof(answer) - 1);
    char *message = NULL;

    assert_int_equal(control_set(control, "p", "1\n", 2, &message), -ERANGE);
    assert_string_equal(message, "option shares: too many");
    free(message);
    end(*state, control);
    assert_string_equal(((struct script *)*state)->got,
                        "{\"op\":\"set\",\"path\":\"p\",\"text\":\"1\\n\"}\n");
}

static void dying_in_the_middle_is_ESHUTDOWN(void **state)
{
    struct control *control = begin(*state, "{\"ok\":true,\"te", 14);
    char *text = NULL, *message = NULL;

    assert_int_equal(control_get(control, "p", &text, NULL, &message), -ESHUTDOWN);
    assert_string_equal(message, "the gateway went away");
    free(message);
    /* and so is everything after it, without waiting */
    assert_int_equal(control_get(control, "p", &text, NULL, NULL), -ESHUTDOWN);
    end(*state, control);
}

static void hanging_up_at_once_is_ESHUTDOWN(void **state)
{
    struct control *control = begin(*state, "", 0);
    char *text = NULL;

    assert_int_equal(control_get(control, "p", &text, NULL, NULL), -ESHUTDOWN);
    end(*state, control);
}

static void silence_is_ETIMEDOUT(void **state)
{
    struct control *control = begin(*state, NULL, 0);
    struct json_object *request = json_object_new_object(), *answer = NULL;

    assert_int_equal(control_call(control, request, 50, &answer), -ETIMEDOUT);
    /* the late answer must not be taken for that of another call */
    assert_int_equal(control_call(control, request, 50, &answer), -ESHUTDOWN);
    assert_null(answer);
    json_object_put(request);
    end(*state, control);
}

static void what_is_no_answer_is_EPROTO(void **state)
{
    struct control *control = begin(*state, "[1,2]\n", 6);
    struct json_object *request = json_object_new_object(), *answer = NULL;

    assert_int_equal(control_call(control, request, -1, &answer), -EPROTO);
    json_object_put(request);
    end(*state, control);
}

static void a_line_without_end_is_EMSGSIZE(void **state)
{
    size_t size = CONTROL_ANSWER + 1;
    char *answer = malloc(size);

    memset(answer, 'x', size);
    struct control *control = begin(*state, answer, size);
    struct json_object *request = json_object_new_object(), *got = NULL;
    assert_int_equal(control_call(control, request, -1, &got), -EMSGSIZE);
    json_object_put(request);
    end(*state, control);
    free(answer);
}

static void a_request_beyond_a_line_is_not_sent(void **state)
{
    char *text = calloc(1, CONTROL_LINE + 1);
    struct control *control = begin(*state, NULL, 0);

    memset(text, 'x', CONTROL_LINE);
    assert_int_equal(control_set(control, "p", text, CONTROL_LINE, NULL), -EMSGSIZE);
    assert_int_equal(control_set(control, "p", text, CONTROL_LINE + 1, NULL), -EMSGSIZE);
    end(*state, control);
    assert_string_equal(((struct script *)*state)->got, "");
    free(text);
}

static void several_answers_in_one_packet_stay_apart(void **state)
{
    static const char answer[] = "{\"ok\":true,\"text\":\"1\"}\n{\"ok\":true,\"text\":\"2\"}\n";
    struct control *control = begin(*state, answer, sizeof(answer) - 1);
    char *text = NULL;

    assert_int_equal(control_get(control, "p", &text, NULL, NULL), 0);
    assert_string_equal(text, "1");
    free(text);
    /* the script has hung up, but its second answer was already here */
    assert_int_equal(control_get(control, "p", &text, NULL, NULL), 0);
    assert_string_equal(text, "2");
    free(text);
    end(*state, control);
}

static void errors_have_names_both_ways(void **state)
{
    (void)state;
    assert_string_equal(wire_errno_name(-EBADMSG), "EBADMSG");
    assert_string_equal(wire_errno_name(ESHUTDOWN), "ESHUTDOWN");
    assert_string_equal(wire_errno_name(-99999), "EIO");
    assert_int_equal(wire_errno("EBADMSG"), EBADMSG);
    assert_int_equal(wire_errno("EWHAT"), EIO);
}

static void an_answer_without_errno_is_EPROTO(void **state)
{
    struct json_object *answer = json_tokener_parse("{\"ok\":false}");
    const char *message;

    (void)state;
    assert_int_equal(control_error(answer, &message), -EPROTO);
    assert_string_equal(message, "");
    json_object_put(answer);
}

static void gateways_are_the_sockets_sorted(void **state)
{
    struct script *script = *state;
    char path[192];

    snprintf(path, sizeof(path), "%s/ctl/x.txt", script->run);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof(path), "%s/ctl/a.sock", script->run);
    fclose(fopen(path, "w"));
    char **names = control_gateways(script->run);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "g");
    assert_null(names[2]);
    free(names);
    names = control_gateways("/nowhere");
    assert_null(names[0]);
    free(names);
}

static void a_long_folder_is_reached_all_the_same(void **state)
{
    char folder[256], *end = folder;
    struct sockaddr_un address;
    int folder_fd;

    (void)state;
    end += sprintf(end, "/tmp");
    while (end - folder < 200)
        end += sprintf(end, "/.");
    assert_int_equal(wire_address(folder, "g.sock", &address, &folder_fd), 0);
    assert_true(folder_fd >= 0);
    assert_non_null(strstr(address.sun_path, "/proc/self/fd/"));
    close(folder_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_listens),
        TEST(get_gives_the_text_with_its_size),
        TEST(set_sends_the_text_and_gives_the_sentence),
        TEST(dying_in_the_middle_is_ESHUTDOWN),
        TEST(hanging_up_at_once_is_ESHUTDOWN),
        TEST(silence_is_ETIMEDOUT),
        TEST(what_is_no_answer_is_EPROTO),
        TEST(a_line_without_end_is_EMSGSIZE),
        TEST(a_request_beyond_a_line_is_not_sent),
        TEST(several_answers_in_one_packet_stay_apart),
        TEST(errors_have_names_both_ways),
        TEST(an_answer_without_errno_is_EPROTO),
        TEST(gateways_are_the_sockets_sorted),
        TEST(a_long_folder_is_reached_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
