/* table.c - how do cells become columns, whatever alphabet they are written in?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "weirctl.h"

/* The next character of a string in the present locale; what is no character counts as
 * one column and one byte, so that a wrong name is shown and not swallowed. */
static size_t next_character(const char *text, size_t left, int *columns)
{
    wchar_t wide;
    mbstate_t state = { 0 };
    size_t size = mbrtowc(&wide, text, left, &state);

    if (size == 0 || size > left) {
        *columns = 1;
        return 1;
    }
    *columns = wcwidth(wide);
    if (*columns < 0)
        *columns = 1;
    return size;
}

int text_width(const char *text)
{
    size_t left = strlen(text);
    int width = 0;

    while (left) {
        int columns;
        size_t size = next_character(text, left, &columns);
        text += size;
        left -= size;
        width += columns;
    }
    return width;
}

void text_fit(const char *text, int columns, struct weir_text *ret)
{
    size_t left = strlen(text);
    int width = 0;

    if (columns <= 0)
        return;
    if (text_width(text) <= columns) {
        text_append(ret, text, left);
        return;
    }
    while (left) {
        int wide;
        size_t size = next_character(text, left, &wide);
        if (width + wide > columns - 1)
            break;
        text_append(ret, text, size);
        text += size;
        left -= size;
        width += wide;
    }
    weir_print(ret, MB_CUR_MAX > 1 ? "…" : "~");
}

void table_add(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (table->count == table->capacity) {
            size_t capacity = table->capacity ? table->capacity * 2 : 64;
            table->cells = enough(reallocarray(table->cells, capacity, sizeof(char *)));
            table->capacity = capacity;
        }
        table->cells[table->count++] = enough(strdup(cells[i]));
    }
}

void table_begin(struct table *table, const char *const *titles)
{
    const char *shown[TABLE_COLUMNS];

    *table = (struct table){ 0 };
    for (; titles[table->columns]; table->columns++) {
        table->right[table->columns] = titles[table->columns][0] == '>';
        shown[table->columns] = titles[table->columns] + table->right[table->columns];
    }
    table_add(table, shown);
}

static void print_row(const struct table *table, char *const *cells, const int *width, FILE *out)
{
    for (size_t i = 0; i < table->columns; i++) {
        int pad = width[i] - text_width(cells[i]);
        bool last = i + 1 == table->columns;

        if (table->right[i])
            fprintf(out, "%*s%s%s", pad, "", cells[i], last ? "" : "  ");
        else
            fprintf(out, "%s%*s", cells[i], last ? 0 : pad + 2, "");
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out)
{
    int width[TABLE_COLUMNS] = { 0 };

    for (size_t i = 0; i < table->count; i++) {
        int wide = text_width(table->cells[i]);
        if (wide > width[i % table->columns])
            width[i % table->columns] = wide;
    }
    for (size_t i = 0; i < table->count; i += table->columns)
        print_row(table, table->cells + i, width, out);
}

void table_finish(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){ 0 };
}

enum exit_code print_either(const struct invocation *invocation, struct json_object *ret,
                            struct table *table)
{
    enum exit_code code;

    if (invocation->option[OPTION_JSON]) {
        code = print_document(invocation, ret);
    } else {
        json_object_put(ret);
        table_print(table, stdout);
        code = finish_output(invocation);
    }
    table_finish(table);
    return code;
}

enum exit_code print_list(const struct invocation *invocation, const char *key,
                          struct json_object *list, struct table *table)
{
    struct json_object *ret = document();

    add_item(ret, key, list);
    return print_either(invocation, ret, table);
}
