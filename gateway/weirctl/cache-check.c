/* cache-check.c - is a pool, which no gateway has open, whole, and what is in it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads the file or device itself (filters/cache/pool-check.h), and nothing else.  A pool that a
 * gateway has open changes while it is read, so it is refused; one that is opened meanwhile is
 * noticed at the end.  The gateway is not kept away: its disks are worth more than a check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../filters/cache/pool-check.h"
#include "measure.h"
#include "progress.h"
#include "weirctl.h"

struct check {
    const struct invocation *invocation;
    const char *path;
    struct media *media;
    struct progress progress;
    struct pool_found found;
    struct json_object *problems;
};

/* ---- what is found -------------------------------------------------------------- */

static int tell_progress(void *arg, uint64_t done, uint64_t all)
{
    struct check *check = arg;

    progress_tell(&check->progress, all ? (int)(done * 100 / all) : 0);
    return 0;
}

static void add_problem(void *arg, bool lost, const char *sentence)
{
    struct check *check = arg;
    struct json_object *problem = document();

    add_flag(problem, "lost", lost);
    add_text(problem, "message", sentence);
    json_object_array_add(check->problems, problem);
}

/* What the store has, too, is only counted by pool_check(). */
static void add_harmless(struct check *check, uint64_t blocks, const char *where)
{
    cleanup_text struct weir_text text = { 0 };

    if (!blocks)
        return;
    weir_print(&text,
               "in %s, %llu %s bad: the disk's store has what belongs there, and answers for it",
               where, (unsigned long long)blocks, blocks == 1 ? "block is" : "blocks are");
    add_problem(check, false, text_string(&text));
}

static const char *verdict(const struct check *check)
{
    if (pool_check_lost(&check->found))
        return "damaged: what guests have written may be lost";
    return items_of(check->problems) ? "sound: of what is bad, disks have all elsewhere" : "sound";
}

/* ---- for programs ------------------------------------------------------------------ */

static void print_uuid(const uint8_t uuid[UUID], struct weir_text *ret)
{
    for (int i = 0; i < UUID; i++)
        weir_print(ret, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static uint64_t table_bytes(const struct pool_found *found)
{
    return found->table_pages * BLOCK;
}

static uint64_t catalog_bytes(const struct super *super)
{
    return 2ull * super->disks * BLOCK;
}

static struct json_object *log_document(const struct pool_found *found)
{
    struct json_object *ret = document();

    add_number(ret, "size_bytes", (uint64_t)found->super.log_pages * BLOCK);
    add_number(ret, "begin", found->log_tail);
    add_number(ret, "end", found->log_head);
    add_number(ret, "records", found->log_records);
    add_number(ret, "entries", found->log_entries);
    add_number(ret, "first_epoch", found->first_epoch);
    add_number(ret, "last_epoch", found->last_epoch);
    add_number(ret, "blocks", found->log_blocks);
    add_number(ret, "bad_blocks", found->log_bad);
    add_number(ret, "damaged_places", found->damage);
    return ret;
}

static struct json_object *slots_document(const struct pool_found *found)
{
    struct json_object *ret = document();

    add_number(ret, "size_bytes", (uint64_t)found->super.slots * BLOCK);
    add_number(ret, "table_bytes", table_bytes(found));
    add_number(ret, "bad_table_pages", found->table_bad);
    add_number(ret, "blocks", found->slots_taken);
    add_number(ret, "bad_blocks", found->slots_bad);
    return ret;
}

static bool left_open(const struct pool_found_disk *disk)
{
    return disk->disk.flags & CATALOG_OPEN;
}

static struct json_object *disks_document(const struct pool_found *found)
{
    struct json_object *ret = enough(json_object_new_array());

    for (size_t i = 0; i < DISKS_MAX; i++) {
        const struct pool_found_disk *disk = &found->disk[i];
        if (!disk->used)
            continue;
        struct json_object *entry = document();
        add_text(entry, "export", disk->disk.name);
        add_number(entry, "number", i);
        add_number(entry, "size_bytes", disk->disk.size);
        add_number(entry, "grid_bytes", disk->disk.grid);
        add_number(entry, "clean_bytes", disk->clean * BLOCK);
        add_number(entry, "dirty_bytes", disk->dirty_bytes);
        add_flag(entry, "left_open", left_open(disk));
        json_object_array_add(ret, entry);
    }
    return ret;
}

static enum exit_code print_json(struct check *check)
{
    const struct pool_found *found = &check->found;
    cleanup_text struct weir_text uuid = { 0 };
    struct json_object *ret = document();

    print_uuid(found->super.uuid, &uuid);
    add_text(ret, "path", check->path);
    add_text(ret, "uuid", text_string(&uuid));
    add_number(ret, "version", POOL_VERSION);
    add_number(ret, "size_bytes", check->media->size);
    add_number(ret, "super_blocks", found->supers);
    add_number(ret, "catalog_bytes", catalog_bytes(&found->super));
    add_item(ret, "log", log_document(found));
    add_item(ret, "slots", slots_document(found));
    add_item(ret, "disks", disks_document(found));
    add_flag(ret, "sound", !pool_check_lost(found));
    add_item(ret, "problems", check->problems);
    check->problems = NULL;
    return print_document(check->invocation, ret);
}

/* ---- for people ---------------------------------------------------------------------- */

static void print_zones(const struct check *check)
{
    const struct pool_found *found = &check->found;
    const struct super *super = &found->super;
    cleanup_text struct weir_text uuid = { 0 };

    print_uuid(super->uuid, &uuid);
    printf("%-8s %s, version %d, %s\n", "pool", text_string(&uuid), POOL_VERSION,
           bytes_number((double)check->media->size).text);
    printf("%-8s %u of 2 whole\n", "super", found->supers);
    printf("%-8s %s: %u of %u disks\n", "catalog", bytes_number((double)catalog_bytes(super)).text,
           found->disks, super->disks);
    printf("%-8s %s: %llu of %llu pages whole\n", "table",
           bytes_number((double)table_bytes(found)).text,
           (unsigned long long)(found->table_pages - found->table_bad),
           (unsigned long long)found->table_pages);
    printf("%-8s %s: %llu of %u pages in force, from %llu to %llu\n", "log",
           bytes_number((double)super->log_pages * BLOCK).text,
           (unsigned long long)(found->log_head - found->log_tail), super->log_pages,
           (unsigned long long)found->log_tail, (unsigned long long)found->log_head);
    printf("%-8s %llu records with %llu entries, epochs %llu to %llu\n", "",
           (unsigned long long)found->log_records, (unsigned long long)found->log_entries,
           (unsigned long long)found->first_epoch, (unsigned long long)found->last_epoch);
    printf("%-8s %s: %llu of %u taken\n", "slots", bytes_number((double)super->slots * BLOCK).text,
           (unsigned long long)found->slots_taken, super->slots);
}

static void print_disks(const struct pool_found *found)
{
    static const char *const titles[] = { "EXPORT", ">SIZE",  ">GRID", ">CLEAN",
                                          ">DIRTY", "CLOSED", NULL };
    struct table table;
    char grid[16];

    table_begin(&table, titles);
    for (size_t i = 0; i < DISKS_MAX; i++) {
        const struct pool_found_disk *disk = &found->disk[i];
        if (!disk->used)
            continue;
        struct number size = bytes_number((double)disk->disk.size);
        struct number clean = bytes_number((double)disk->clean * BLOCK);
        struct number dirty = bytes_number((double)disk->dirty_bytes);
        snprintf(grid, sizeof(grid), "%u", disk->disk.grid);
        table_add(&table,
                  (const char *const[]){ *disk->disk.name ? disk->disk.name : "?", size.text, grid,
                                         clean.text, dirty.text, left_open(disk) ? "no" : "yes" });
    }
    putchar('\n');
    table_print(&table, stdout);
    table_finish(&table);
    putchar('\n');
}

static enum exit_code print_text(const struct check *check)
{
    print_zones(check);
    if (check->found.disks)
        print_disks(&check->found);
    for (size_t i = 0; i < items_of(check->problems); i++) {
        struct json_object *problem = json_object_array_get_idx(check->problems, i);
        printf("%s: %s\n", flag_of(problem, "lost") ? "lost" : "harmless",
               text_of(problem, "message"));
    }
    puts(verdict(check));
    return finish_output(check->invocation);
}

/* ---- the command ----------------------------------------------------------------- */

/* Nobody has it open, now and since it was first looked at (NULL: that is now). */
static enum exit_code judge_alone(const struct check *check, const struct super *since)
{
    char why[WHY];
    struct super now;
    int taken = media_taken(check->path);

    if (taken < 0)
        return say(check->invocation, taken, "%s cannot be looked at: %s", check->path,
                   strerror(-taken));
    if (taken && !since)
        return say(check->invocation, -EBUSY,
                   "a gateway has %s open, and changes it: a pool is checked before its gateway "
                   "starts or after it has ended",
                   check->path);
    if (taken ||
        (since && (super_load(check->media, &now, why) || now.generation != since->generation)))
        return say(check->invocation, -EBUSY,
                   "a gateway has opened %s meanwhile: what was read is not of one moment",
                   check->path);
    return DONE;
}

static enum exit_code read_pool(struct check *check)
{
    const struct pool_check_report report = { tell_progress, add_problem, check };
    cleanup_text struct weir_text what = { 0 };
    char why[WHY] = "";

    weir_print(&what, "checking %s", check->path);
    progress_init(&check->progress, text_string(&what),
                  check->invocation->option[OPTION_JSON] != NULL);
    int error = pool_check(check->media, &report, &check->found, why);
    progress_finish(&check->progress);
    if (error) /* another version is refused; what is 1 to a program is damage, or was not read */
        return say(check->invocation, error == -EPROTO ? -ENOTSUP : error, "%s: %s", check->path,
                   why);
    add_harmless(check, check->found.slots_bad, "slots");
    add_harmless(check, check->found.log_bad - check->found.dirty_bad, "the log");
    return judge_alone(check, &check->found.super);
}

static enum exit_code run(struct check *check)
{
    enum exit_code code = judge_alone(check, NULL);

    if (!code)
        code = read_pool(check);
    if (!code)
        code = check->invocation->option[OPTION_JSON] ? print_json(check) : print_text(check);
    return code ? code : pool_check_lost(&check->found) ? FAILED : DONE;
}

enum exit_code ctl_cache_check(const struct invocation *invocation)
{
    struct check *check = enough(calloc(1, sizeof(*check)));
    char why[WHY] = "";

    check->invocation = invocation;
    check->path = invocation->words[0];
    int error = media_open(check->path, 0, MEDIA_READ_ONLY, &check->media, why);
    enum exit_code code;
    if (error) {
        code = say(invocation, error, "%s", why);
    } else {
        check->problems = enough(json_object_new_array());
        code = run(check);
        json_object_put(check->problems);
        check->media->close(check->media);
    }
    free(check);
    return code;
}
