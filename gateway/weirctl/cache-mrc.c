/* cache-mrc.c - what would a disk miss with a cache of another size?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The filter gives the curve as lines "SIZE_BYTES MISS_RATIO", ascending.  On a terminal it is
 * drawn, a column for each size; elsewhere it is a table. */
#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cache.h"
#include "measure.h"

enum { POINTS = 128, ROWS = 11, LABEL = 8 };

struct curve {
    const char *export;
    uint64_t now; /* bytes that the disk has in the pool */
    size_t count;
    struct {
        uint64_t size; /* bytes */
        double misses; /* 0 to 1 */
    } point[POINTS];
};

/* What does not look like a point ends it: a gateway of another version may say more. */
static void read_curve(const char *text, struct curve *curve)
{
    while (curve->count < POINTS) {
        char *end;
        uint64_t size = strtoull(text, &end, 10);
        double misses = *end == ' ' ? strtod(end, &end) : -1;
        if (!(misses >= 0 && misses <= 1))
            return;
        curve->point[curve->count].size = size;
        curve->point[curve->count++].misses = misses;
        text = *end == '\n' ? end + 1 : end;
    }
}

/* Between two points the logarithm of the size counts, as it does in the drawing. */
static double misses_at(const struct curve *curve, uint64_t size)
{
    size_t i = 0;

    while (i < curve->count && curve->point[i].size < size)
        i++;
    if (i == 0 || i == curve->count)
        return curve->point[i ? i - 1 : 0].misses;
    double from = log((double)curve->point[i - 1].size), to = log((double)curve->point[i].size);
    double part = (log((double)size) - from) / (to - from);
    return curve->point[i - 1].misses +
           part * (curve->point[i].misses - curve->point[i - 1].misses);
}

/* ---- for programs, and where there is no terminal ----------------------------- */

static struct json_object *ratio(double value)
{
    char text[16];

    snprintf(text, sizeof(text), "%.4f", value);
    return enough(json_object_new_double_s(value, text));
}

static enum exit_code print_json(const struct invocation *invocation, const struct filtered *disk,
                                 const struct curve *curve)
{
    struct json_object *ret = document(), *points = enough(json_object_new_array());

    add_text(ret, "gateway", disk->gateway->name);
    add_text(ret, "export", disk->export);
    add_text(ret, "filter", text_of(disk->filter, "label"));
    add_number(ret, "size_bytes", curve->now);
    if (curve->now)
        add_item(ret, "miss_ratio", ratio(misses_at(curve, curve->now)));
    for (size_t i = 0; i < curve->count; i++) {
        struct json_object *point = document();
        add_number(point, "size_bytes", curve->point[i].size);
        add_item(point, "miss_ratio", ratio(curve->point[i].misses));
        json_object_array_add(points, point);
    }
    add_item(ret, "points", points);
    return print_document(invocation, ret);
}

static void print_table(const struct curve *curve)
{
    static const char *const titles[] = { ">SIZE", ">MISSES", NULL };
    struct table table;
    char misses[16];

    table_begin(&table, titles);
    for (size_t i = 0; i < curve->count; i++) {
        struct number size = bytes_number((double)curve->point[i].size);
        snprintf(misses, sizeof(misses), "%.1f%%", curve->point[i].misses * 100);
        table_add(&table, (const char *const[]){ size.text, misses });
    }
    table_print(&table, stdout);
    table_finish(&table);
}

/* ---- drawn --------------------------------------------------------------------- */

struct letters {
    const char *point, *now, *side, *tick, *floor, *corner;
};

/* The column, of `columns`, that a size is in; the first and the last are those of the curve. */
static int column_of(const struct curve *curve, uint64_t size, int columns)
{
    double first = log((double)curve->point[0].size);
    double last = log((double)curve->point[curve->count - 1].size);
    double part = last > first ? (log((double)size) - first) / (last - first) : 0;

    part = part < 0 ? 0 : part > 1 ? 1 : part;
    return (int)lround(part * (columns - 1));
}

static double misses_of_column(const struct curve *curve, int column, int columns)
{
    double first = log((double)curve->point[0].size);
    double last = log((double)curve->point[curve->count - 1].size);

    return misses_at(curve,
                     (uint64_t)llround(exp(first + (last - first) * column / (columns - 1))));
}

static void draw_rows(const struct curve *curve, const struct letters *letters, int columns,
                      int now)
{
    for (int row = 0; row < ROWS; row++) {
        bool named = row % ((ROWS - 1) / 2) == 0;
        int blanks = 0;
        if (named)
            printf("%*d %% %s", LABEL - 3, 100 - 100 * row / (ROWS - 1), letters->tick);
        else
            printf("%*s%s", LABEL, "", letters->side);
        for (int column = 0; column < columns; column++) {
            double misses = misses_of_column(curve, column, columns);
            bool here = lround((1 - misses) * (ROWS - 1)) == row;
            const char *letter = here ? letters->point : column == now ? letters->now : NULL;
            if (!letter) {
                blanks++;
                continue;
            }
            printf("%*s%s", blanks, "", letter);
            blanks = 0;
        }
        putchar('\n');
    }
}

/* Under the floor: the smallest size at the left, the largest at the right, and where it is now,
 * if there is room between them. */
static void draw_floor(const struct curve *curve, const struct letters *letters, int columns,
                       int now)
{
    struct number first = bytes_number((double)curve->point[0].size);
    struct number last = bytes_number((double)curve->point[curve->count - 1].size);
    int left = (int)strlen(first.text), right = columns - (int)strlen(last.text);

    printf("%*s%s", LABEL, "", letters->corner);
    for (int column = 0; column < columns; column++)
        fputs(letters->floor, stdout);
    printf("\n%*s %s", LABEL, "", first.text);
    if (now > left && now + 4 < right) {
        printf("%*snow", now - left, "");
        left = now + 3;
    }
    printf("%*s%s\n", right > left ? right - left : 1, "", last.text);
}

static void draw(const struct curve *curve)
{
    static const struct letters wide = { "•", "┊", "│", "┤", "─", "└" };
    static const struct letters narrow = { "*", ":", "|", "+", "-", "+" };
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const struct letters *letters = utf8 ? &wide : &narrow;
    struct winsize size = { .ws_col = 80 };

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    int columns = (size.ws_col < 40 ? 40 : size.ws_col > 120 ? 120 : size.ws_col) - LABEL - 2;
    int now = curve->now ? column_of(curve, curve->now, columns) : -1;
    printf("misses of %s by the size of its cache\n", curve->export);
    draw_rows(curve, letters, columns, now);
    draw_floor(curve, letters, columns, now);
}

/* What one wants to know: would more of it help? */
static void print_question(const struct curve *curve)
{
    static const struct {
        double factor;
        const char *words;
    } asked[] = { { 0.5, "half" }, { 1, "now" }, { 2, "twice" } };

    for (size_t i = 0; curve->now && i < sizeof(asked) / sizeof(*asked); i++) {
        uint64_t size = (uint64_t)((double)curve->now * asked[i].factor);
        printf("%s%s %s: %.1f%%", i ? ", " : "", asked[i].words, bytes_number((double)size).text,
               misses_at(curve, size) * 100);
    }
    if (curve->now)
        putchar('\n');
}

/* ---- the command ----------------------------------------------------------------- */

static enum exit_code print_curve(const struct invocation *invocation, const struct filtered *disk,
                                  const struct curve *curve)
{
    if (invocation->option[OPTION_JSON])
        return print_json(invocation, disk, curve);
    if (isatty(STDOUT_FILENO))
        draw(curve);
    else
        print_table(curve);
    print_question(curve);
    return finish_output(invocation);
}

enum exit_code ctl_cache_mrc(const struct invocation *invocation)
{
    cleanup_filtered struct filtered disk = { 0 };
    struct curve curve = { 0 };
    cleanup_free char *text = NULL;
    uint64_t clean = 0, dirty = 0;
    enum exit_code code = cache_open(invocation, &disk);

    if (code)
        return code;
    int error = filtered_lines(invocation, &disk, "mrc", &text);
    if (error)
        return *text ? say(invocation, error, "%s", text) : say_silent(invocation, disk.gateway);
    /* without them the curve is drawn without a mark */
    cache_figure(invocation, &disk, "clean_bytes", &clean);
    cache_figure(invocation, &disk, "dirty_bytes", &dirty);
    curve.export = disk.export;
    curve.now = clean + dirty;
    read_curve(text, &curve);
    if (!curve.count)
        return say(invocation, -ENODATA,
                   "nothing is known yet of what \"%s\" would miss: its cache has seen too few "
                   "requests since the gateway started",
                   disk.export);
    return print_curve(invocation, &disk, &curve);
}
