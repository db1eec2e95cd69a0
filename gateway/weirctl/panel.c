/* panel.c - what do disks share, and what does I/O control give to each?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "paint.h"

enum { NAME_WIDTH = 12, WIDEST_NAME = 32, FIGURES = 16 };

/* Which figures there is room for after a name, and where; width 0: left out. */
struct layout {
    int name, x[FIGURES], width[FIGURES];
};

static int total_width(const struct layout *layout)
{
    int total = layout->name;

    for (int i = 0; i < FIGURES; i++)
        total += layout->width[i] ? layout->width[i] + 1 : 0;
    return total;
}

static void lay_out(struct layout *layout, const struct figure *figures, int name, int columns)
{
    *layout = (struct layout){ .name = name };
    int worst = 0, x = 1;

    for (int i = 0; figures[i].name; i++) {
        layout->width[i] = figures[i].width;
        worst = figures[i].dispensable > worst ? figures[i].dispensable : worst;
    }
    for (; worst > 0 && total_width(layout) > columns - 1; worst--)
        for (int i = 0; figures[i].name; i++)
            if (figures[i].dispensable == worst)
                layout->width[i] = 0;
    if (total_width(layout) > columns - 1)
        layout->name -= total_width(layout) - (columns - 1);
    layout->name = layout->name < 4 ? 4 : layout->name;
    x += layout->name;
    for (int i = 0; figures[i].name; i++) {
        layout->x[i] = x + 1;
        x += layout->width[i] ? layout->width[i] + 1 : 0;
    }
}

static void draw_titles(WINDOW *window, int y, const struct layout *layout,
                        const struct figure *figures, const char *word)
{
    mvwhline(window, y, 0, ' ' | A_UNDERLINE, getmaxx(window));
    put(window, y, 1, layout->name, A_UNDERLINE | A_BOLD, word);
    for (int i = 0; figures[i].name; i++)
        if (layout->width[i])
            put_right(window, y, layout->x[i], layout->width[i], A_UNDERLINE | A_BOLD,
                      figures[i].title + (*figures[i].title == '>'));
}

static void draw_figures(WINDOW *window, int y, const struct layout *layout,
                         const struct figure *figures, struct json_object *document,
                         attr_t attributes)
{
    for (int i = 0; figures[i].name; i++)
        if (layout->width[i])
            put_right(window, y, layout->x[i], layout->width[i], attributes,
                      figure_number(&figures[i], document).text);
}

/* ---- datastores -------------------------------------------------------------- */

/* Where somebody has to wait, and where the datastore is slower than it should be. */
static attr_t ink_of_datastore(struct json_object *datastore)
{
    if (number_of(datastore, "normalized_latency_us") > number_of(datastore, "threshold_us"))
        return ink(INK_BAD);
    return number_of(datastore, "queued") ? ink(INK_WARN) : 0;
}

static void print_name(struct json_object *datastore, bool many, struct weir_text *text)
{
    weir_print(text, "%s%s%s", many ? text_of(datastore, "gateway") : "", many ? "/" : "",
               text_of(datastore, "name"));
}

static void draw_datastore(WINDOW *window, int y, const struct layout *layout,
                           struct json_object *datastore, bool many)
{
    cleanup_text struct weir_text name = { 0 };

    print_name(datastore, many, &name);
    put(window, y, 1, layout->name, A_BOLD, text_string(&name));
    draw_figures(window, y, layout, datastore_figures, datastore, ink_of_datastore(datastore));
}

static int widest_name(const struct board *board, bool many)
{
    int widest = NAME_WIDTH;

    for (size_t i = 0; i < items_of(board->datastores); i++) {
        cleanup_text struct weir_text name = { 0 };
        print_name(json_object_array_get_idx(board->datastores, i), many, &name);
        int width = text_width(text_string(&name));
        widest = width > widest ? width : widest;
    }
    return widest < WIDEST_NAME ? widest : WIDEST_NAME;
}

int draw_datastores(WINDOW *window, int y, const struct board *board, int rows, int columns)
{
    size_t count = items_of(board->datastores), shown = count;
    bool many = board->source_count > 1;
    struct layout layout;

    if (!count || rows < 3)
        return y;
    if (count > (size_t)rows - 1) /* the last line says how many there are besides */
        shown = (size_t)rows - 2;
    lay_out(&layout, datastore_figures, widest_name(board, many), columns);
    draw_titles(window, y++, &layout, datastore_figures, "DATASTORE");
    for (size_t i = 0; i < shown; i++)
        draw_datastore(window, y++, &layout, json_object_array_get_idx(board->datastores, i), many);
    if (shown < count)
        put_format(window, y++, 1, columns - 2, ink(INK_DIM), "and %zu more", count - shown);
    return y;
}

/* ---- one disk ---------------------------------------------------------------- */

int draw_control(WINDOW *window, int y, const struct board *board, const struct disk *disk,
                 bool since_start, int columns)
{
    struct json_object *control =
        since_start ? control_document(disk->now, NULL) : json_object_get(disk->control);
    struct layout layout;

    if (!control)
        return y;
    lay_out(&layout, disk_figures, NAME_WIDTH, columns);
    draw_titles(window, y++, &layout, disk_figures, "I/O CONTROL");
    put(window, y, 1, layout.name, 0, text_of(control, "filter"));
    draw_figures(window, y++, &layout, disk_figures, control, 0);
    for (size_t i = 0; i < items_of(board->datastores); i++) {
        struct json_object *datastore = json_object_array_get_idx(board->datastores, i);
        if (strcmp(text_of(datastore, "gateway"), disk->gateway) != 0 ||
            strcmp(text_of(datastore, "name"), text_of(disk->now, "datastore")) != 0)
            continue;
        lay_out(&layout, datastore_figures, NAME_WIDTH, columns);
        draw_titles(window, ++y, &layout, datastore_figures, "DATASTORE");
        draw_datastore(window, ++y, &layout, datastore, false);
        y++;
    }
    json_object_put(control);
    return y + 1;
}
