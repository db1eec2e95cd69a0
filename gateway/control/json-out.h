/* json-out.h - how is an answer written without building it in memory twice?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Members are printed into a weir_text in the order of the calls; a key is NULL inside
 * of arrays.  Running out of memory shows in text.cut, once, at the end. */
#ifndef WEIR_CONTROL_JSON_OUT_H
#define WEIR_CONTROL_JSON_OUT_H

#include "../text.h"

struct json_out {
    struct weir_text text;
    bool comma; /* the next value is not the first of its folder */
};

void out_open(struct json_out *, const char *key, char bracket);
void out_close(struct json_out *, char bracket);
void out_number(struct json_out *, const char *key, uint64_t);
void out_bool(struct json_out *, const char *key, bool);
/* Always valid UTF-8: other bytes become U+FFFD.  NULL is "". */
void out_text(struct json_out *, const char *key, const char *text);
/* Byte for byte, as a file is: whoever reads it gets what was written. */
void out_bytes(struct json_out *, const char *key, const char *bytes, size_t size);
/* An array of strings that ends with NULL; NULL is []. */
void out_list(struct json_out *, const char *key, char *const *words);

/* The length of the UTF-8 character at `text`, 0 when it is not one. */
size_t utf8_length(const char *text, size_t size);

#endif
