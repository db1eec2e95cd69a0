/* control-ask.h - how does a test ask and judge in one line?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_ASK_H
#define CONTROL_ASK_H

#include <stddef.h>

struct json_object;

/* The answer to one request line: must be one line of JSON. */
struct json_object *ask_line(const char *line, size_t size);
struct json_object *ask_text(const char *line);
struct json_object *ask(const char *op, const char *path, const char *text);

/* A member as text; "(none)". */
const char *member(struct json_object *, const char *key);
/* The answer must be this refusal, or a success; both give it back. */
void refused(struct json_object *answer, const char *name, const char *message);
void refused_line(const char *line, const char *name, const char *message);
void granted(struct json_object *answer);

/* What the file holds must be this. */
void holds(const char *path, const char *text);
char *get(const char *path);
void has_event(const char *part);

/* setup and teardown */
int begin_world(void **state);
int end_world(void **state);

#endif
