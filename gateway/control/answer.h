/* answer.h - what goes along with a request from the socket to the row that serves it?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_ANSWER_H
#define WEIR_CONTROL_ANSWER_H

#include "../config/config.h"
#include "../text.h"
#include "control.h"
#include "json-out.h"

/* Who asks. */
struct caller {
    bool known; /* the kernel told the uid */
    unsigned uid;
    int fd; /* its connection, -1: none */
};

/* Why not: a sentence, or the mistakes of a text, each with its place. */
struct refusal {
    struct weir_text why;
    struct mistakes mistakes;
};
void refusal_finish(struct refusal *);
/* All there is to say of it, one mistake a line, no \n at the end. */
void refusal_print(const struct refusal *, int error, struct weir_text *);

#define cleanup_refusal __attribute__((cleanup(refusal_finish)))

/* control_answer() for somebody. */
char *control_answer_for(const struct caller *, const char *line, size_t length);

/* "uid 1000", for events. */
const char *caller_name(const struct caller *, char buffer[32]);

/* The server is about to end: who waits for something should not go on. */
bool control_ending(void);

/* For tests: a line once begun must end, and an answer be taken, within this time. */
void control_line_limit(int limit_ms);

/* The socket that connections come from, -1: none. */
int control_listener(void);

struct json_object;
/* The string member `key`, NULL when there is none.  -EINVAL: it is not a string. */
int request_string(struct json_object *request, const char *key, const char **text, size_t *size,
                   struct refusal *);
/* The same where it must be there and hold no NUL. */
int request_need(struct json_object *request, const char *key, const char **text, struct refusal *);
int request_number(struct json_object *request, const char *key, uint64_t *number,
                   struct refusal *);

/* The ops that live in files of their own: the members after "ok":true. */
int show_answer(struct json_object *request, struct json_out *, struct refusal *);
int verb_answer(const struct caller *, struct json_object *request, struct json_out *,
                struct refusal *);

void metrics_print(struct weir_text *);
/* The NBD URI of an export, or "none" where nobody listens. */
void uri_print(const char *export, struct weir_text *);

/* ---- sentences kept for those who ask later: kept.c -------------------------- */

enum kept_kind { KEPT_ERROR, KEPT_CTL };
/* Of an export, or of one filter of it ("" for the export); NULL text forgets it. */
void kept_set(enum kept_kind, const char *export, const char *label, const char *text);
void kept_print(enum kept_kind, const char *export, const char *label, struct weir_text *);
void kept_forget_all(void);

#endif
