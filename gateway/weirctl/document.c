/* document.c - how are the gateway's documents read and ours written?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Readers take NULL and what is missing for empty: a gateway of another version may say
 * less, and that must not stop the rest from being shown. */
#include <stdio.h>
#include <stdlib.h>

#include "weirctl.h"

struct json_object *member_of(struct json_object *object, const char *key)
{
    struct json_object *member = NULL;

    if (!json_object_is_type(object, json_type_object))
        return NULL;
    json_object_object_get_ex(object, key, &member);
    return member;
}

const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *member = member_of(object, key);

    return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : "";
}

uint64_t number_of(struct json_object *object, const char *key)
{
    return json_object_get_uint64(member_of(object, key));
}

bool flag_of(struct json_object *object, const char *key)
{
    return json_object_get_boolean(member_of(object, key));
}

size_t items_of(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

void *enough(void *memory)
{
    if (memory)
        return memory;
    fputs("weirctl: out of memory\n", stderr);
    exit(FAILED);
}

struct json_object *document(void)
{
    return enough(json_object_new_object());
}

void add_item(struct json_object *object, const char *key, struct json_object *item)
{
    if (json_object_object_add(object, key, item) != 0)
        enough(NULL);
}

void add_text(struct json_object *object, const char *key, const char *text)
{
    add_item(object, key, enough(json_object_new_string(text)));
}

void add_number(struct json_object *object, const char *key, uint64_t number)
{
    add_item(object, key, enough(json_object_new_uint64(number)));
}

void add_real(struct json_object *object, const char *key, double number)
{
    struct json_object *real = enough(json_object_new_double(number));

    /* Two places are what a rate is good for, and keep the document readable. */
    json_object_set_serializer(real, json_object_double_to_json_string, (char *)"%.2f", NULL);
    add_item(object, key, real);
}

void add_flag(struct json_object *object, const char *key, bool flag)
{
    add_item(object, key, enough(json_object_new_boolean(flag)));
}

void add_copy(struct json_object *object, const char *key, struct json_object *from)
{
    struct json_object *member = member_of(from, key);

    if (member)
        add_item(object, key, json_object_get(member));
}

enum exit_code print_document(const struct invocation *invocation, struct json_object *object)
{
    puts(json_object_to_json_string_ext(object,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
    return finish_output(invocation);
}
