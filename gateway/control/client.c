/* client.c - how does a program ask a running gateway without ever hanging on a dead one?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../scope.h"
#include "wire.h"

/* A connection.  For one thread at a time: answers come in the order of the requests. */
struct control {
    int fd;
    bool broken; /* an answer may still be under way that belongs to no call */
    char *line;  /* what was received of the present answer and maybe more */
    size_t filled, capacity;
};

static const char suffix[] = ".sock";

/* A full backlog is EAGAIN at once for a Unix socket: the gateway lives and is busy. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline)
{
    while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (wire_now_ms() >= deadline)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    return 0;
}

int control_connect(const char *run, const char *gateway, struct control **ret)
{
    return control_connect_within(run, gateway, CONTROL_TIMEOUT_MS, ret);
}

int control_connect_within(const char *run, const char *gateway, int timeout_ms,
                           struct control **ret)
{
    cleanup_free char *folder = NULL;
    cleanup_free char *name = NULL;
    cleanup_fd int folder_fd = -1;
    cleanup_fd int fd = -1;
    struct sockaddr_un address;

    if (!*gateway || strchr(gateway, '/'))
        return -ENOENT;
    if (asprintf(&folder, "%s/ctl", run) < 0) {
        folder = NULL;
        return -ENOMEM;
    }
    if (asprintf(&name, "%s%s", gateway, suffix) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    int error = wire_address(folder, name, &address, &folder_fd);
    if (error)
        return error;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    error = connect_until(fd, &address, wire_now_ms() + (uint64_t)timeout_ms);
    if (error)
        return error;
    struct control *control = calloc(1, sizeof(*control));
    if (!control)
        return -ENOMEM;
    control->fd = steal_fd(fd);
    *ret = control;
    return 0;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    close(control->fd);
    free(control->line);
    free(control);
}

/* Receives until there is a whole line.  0 and its length without the \n. */
static int receive_line(struct control *control, uint64_t deadline, size_t *length)
{
    for (size_t seen = 0;;) {
        char *end = control->filled > seen
                        ? memchr(control->line + seen, '\n', control->filled - seen)
                        : NULL;
        if (end) {
            *length = (size_t)(end - control->line);
            return 0;
        }
        seen = control->filled;
        if (seen >= CONTROL_ANSWER)
            return -EMSGSIZE;
        if (seen == control->capacity) {
            size_t capacity = seen ? seen * 2 : 4096;
            char *bigger = realloc(control->line, capacity);
            if (!bigger)
                return -ENOMEM;
            control->line = bigger;
            control->capacity = capacity;
        }
        ssize_t n = recv(control->fd, control->line + seen, control->capacity - seen, MSG_DONTWAIT);
        if (n > 0) {
            control->filled += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return -ESHUTDOWN;
        } else {
            int error = wire_wait(control->fd, POLLIN, deadline);
            if (error)
                return error;
        }
    }
}

static int parse_answer(const char *line, size_t length, struct json_object **answer)
{
    struct json_tokener *tokener = json_tokener_new();

    if (!tokener)
        return -ENOMEM;
    struct json_object *parsed = json_tokener_parse_ex(tokener, line, (int)length);
    json_tokener_free(tokener);
    if (!json_object_is_type(parsed, json_type_object)) {
        json_object_put(parsed);
        return -EPROTO;
    }
    *answer = parsed;
    return 0;
}

static int call(struct control *control, struct json_object *request, uint64_t deadline,
                struct json_object **answer)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

    if (!text)
        return -ENOMEM;
    if (length + 1 > CONTROL_LINE)
        return -EMSGSIZE;
    control->broken = true;
    int error = wire_send(control->fd, text, length, deadline);
    if (!error)
        error = wire_send(control->fd, "\n", 1, deadline);
    if (error == -ETIMEDOUT)
        return error;
    /* a gateway that hung up may have said why before: read that first */
    size_t got;
    error = receive_line(control, deadline, &got);
    if (error)
        return error;
    error = parse_answer(control->line, got, answer);
    control->filled -= got + 1;
    memmove(control->line, control->line + got + 1, control->filled);
    control->broken = false;
    return error;
}

int control_call(struct control *control, struct json_object *request, int timeout_ms,
                 struct json_object **answer)
{
    if (control->broken)
        return -ESHUTDOWN;
    if (timeout_ms < 0)
        timeout_ms = CONTROL_TIMEOUT_MS;
    return call(control, request, wire_now_ms() + (uint64_t)timeout_ms, answer);
}

static const char *member_string(struct json_object *object, const char *key, size_t *size)
{
    struct json_object *member;

    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_string))
        return NULL;
    if (size)
        *size = (size_t)json_object_get_string_len(member);
    return json_object_get_string(member);
}

int control_error(struct json_object *answer, const char **message)
{
    struct json_object *ok;

    *message = "";
    if (json_object_object_get_ex(answer, "ok", &ok) && json_object_get_boolean(ok))
        return 0;
    const char *name = member_string(answer, "errno", NULL);
    const char *sentence = member_string(answer, "message", NULL);
    if (sentence)
        *message = sentence;
    return name ? -wire_errno(name) : -EPROTO;
}

/* Adds a string; what there is no memory for makes the request NULL. */
static void request_add(struct json_object **request, const char *key, const char *text,
                        size_t size)
{
    struct json_object *string = json_object_new_string_len(text, (int)size);

    if (*request && string && json_object_object_add(*request, key, string) == 0)
        return;
    json_object_put(string);
    json_object_put(*request);
    *request = NULL;
}

static struct json_object *new_request(const char *op, const char *path)
{
    struct json_object *request = json_object_new_object();

    request_add(&request, "op", op, strlen(op));
    request_add(&request, "path", path, strlen(path));
    return request;
}

/* Sends `request` and gives it up.  At errors *message is a sentence of the gateway's,
 * or ours when it did not answer. */
static int ask(struct control *control, struct json_object *request, struct json_object **answer,
               char **message)
{
    const char *sentence = "";
    int error = request ? control_call(control, request, CONTROL_TIMEOUT_MS, answer) : -ENOMEM;

    json_object_put(request);
    if (error == -ESHUTDOWN)
        sentence = "the gateway went away";
    else if (error == -ETIMEDOUT)
        sentence = "the gateway did not answer in time";
    else if (error)
        sentence = strerror(-error);
    else
        error = control_error(*answer, &sentence);
    if (error) {
        if (message)
            *message = strdup(sentence);
        json_object_put(*answer);
        *answer = NULL;
    }
    return error;
}

int control_get(struct control *control, const char *path, char **text, size_t *size,
                char **message)
{
    struct json_object *answer = NULL;

    if (message)
        *message = NULL;
    int error = ask(control, new_request("get", path), &answer, message);
    if (error)
        return error;
    size_t length;
    const char *got = member_string(answer, "text", &length);
    char *copy = got ? malloc(length + 1) : NULL;
    if (copy) {
        memcpy(copy, got, length + 1);
        *text = copy;
        if (size)
            *size = length;
    }
    json_object_put(answer);
    return copy ? 0 : got ? -ENOMEM : -EPROTO;
}

int control_set(struct control *control, const char *path, const char *text, size_t size,
                char **message)
{
    struct json_object *answer = NULL;

    if (message)
        *message = NULL;
    if (size > CONTROL_LINE)
        return -EMSGSIZE;
    struct json_object *request = new_request("set", path);
    request_add(&request, "text", text, size);
    int error = ask(control, request, &answer, message);
    json_object_put(answer);
    return error;
}

static int is_socket_name(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length >= sizeof(suffix) &&
           strcmp(entry->d_name + length + 1 - sizeof(suffix), suffix) == 0;
}

/* One block: the pointers, then the names without ".sock". */
static char **pack_names(struct dirent **entries, size_t count)
{
    size_t size = (count + 1) * sizeof(char *);

    for (size_t i = 0; i < count; i++)
        size += strlen(entries[i]->d_name) + 2 - sizeof(suffix);
    char **names = malloc(size);
    if (!names)
        return NULL;
    char *at = (char *)(names + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(entries[i]->d_name) + 1 - sizeof(suffix);
        names[i] = memcpy(at, entries[i]->d_name, length);
        at[length] = '\0';
        at += length + 1;
    }
    names[count] = NULL;
    return names;
}

char **control_gateways(const char *run)
{
    cleanup_free char *folder = NULL;
    struct dirent **entries = NULL;

    if (asprintf(&folder, "%s/ctl", run) < 0) {
        folder = NULL;
        return NULL;
    }
    int count = scandir(folder, &entries, is_socket_name, alphasort);
    if (count < 0)
        count = 0;
    char **names = pack_names(entries, (size_t)count);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return names;
}
