/* entries.c - how is a list printed of what all gateways have of a kind?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "gateways.h"

void print_words(struct json_object *words, struct weir_text *text)
{
    for (size_t i = 0; i < items_of(words); i++)
        weir_print(text, "%s%s", i ? ", " : "",
                   json_object_get_string(json_object_array_get_idx(words, i)));
}

struct json_object *entry_document(const struct invocation *invocation, struct gateway *gateway,
                                   struct json_object *entry)
{
    struct json_object *ret = document();

    (void)invocation;
    add_text(ret, "gateway", gateway->name);
    json_object_object_foreach(entry, key, value)
    {
        add_item(ret, key, json_object_get(value));
    }
    return ret;
}

enum exit_code list_entries(const struct invocation *invocation, const struct entry_kind *kind)
{
    cleanup_gateways struct gateways all = { 0 };
    struct table table;
    enum exit_code code = gateways_open(invocation, &all);

    if (code)
        return code;
    code = gateways_show(invocation, &all);
    bool many = all.count > 1;
    struct json_object *list = enough(json_object_new_array());
    table_begin(&table, kind->titles + !many);
    for (size_t i = 0; i < all.count; i++) {
        struct json_object *entries = member_of(all.list[i].show, kind->array);
        for (size_t n = 0; n < items_of(entries); n++) {
            struct json_object *document =
                kind->document(invocation, &all.list[i], json_object_array_get_idx(entries, n));
            if (!document)
                continue;
            kind->row(&table, document, many);
            json_object_array_add(list, document);
        }
    }
    enum exit_code written = print_list(invocation, kind->key, list, &table);
    return written ? written : code;
}
