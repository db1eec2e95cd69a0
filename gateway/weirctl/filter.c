/* filter.c - which filters are there, what do they declare and who uses them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "filters.h"
#include "measure.h"

enum exit_code filters_load(const struct invocation *invocation, const char *name,
                            struct library **ret)
{
    cleanup_text struct weir_text why = { 0 };
    int error = loader_get(name, ret, &why);

    return error ? say(invocation, error, "%s", text_string(&why)) : DONE;
}

/* By the way a gateway would find it: by folder and name. */
enum exit_code filters_load_file(const struct invocation *invocation, const char *file,
                                 struct library **ret)
{
    static const char prefix[] = "weir-filter-", suffix[] = ".so";
    char *real = realpath(file, NULL);
    cleanup_free char *for_folder = real ? real : enough(strdup(file));
    cleanup_free char *for_name = enough(strdup(for_folder));
    char *name = basename(for_name);
    size_t length = strlen(name);

    if (strncmp(name, prefix, strlen(prefix)) != 0 || length <= strlen(prefix) + strlen(suffix) ||
        strcmp(name + length - strlen(suffix), suffix) != 0)
        return say_misuse(invocation,
                          "\"%s\": a filter's file is called weir-filter-NAME.so; a gateway would "
                          "not find this one",
                          file);
    name[length - strlen(suffix)] = '\0';
    int error = loader_path(dirname(for_folder));
    if (error)
        return say(invocation, error, "%s", strerror(-error));
    return filters_load(invocation, name + strlen(prefix), ret);
}

/* ---- who uses it ------------------------------------------------------------- */

/* Calls for each filter of each export that is of the name; NULL: of each. */
static void each_use(const struct gateways *all, const char *name,
                     void (*visit)(const struct gateway *, struct json_object *export,
                                   struct json_object *filter, void *arg),
                     void *arg)
{
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *exports = member_of(all->list[i].show, "exports");
        for (size_t n = 0; n < items_of(exports); n++) {
            struct json_object *export = json_object_array_get_idx(exports, n);
            struct json_object *filters = member_of(export, "filters");
            for (size_t f = 0; f < items_of(filters); f++) {
                struct json_object *filter = json_object_array_get_idx(filters, f);
                if (!name || strcmp(name, text_of(filter, "name")) == 0)
                    visit(&all->list[i], export, filter, arg);
            }
        }
    }
}

struct uses {
    struct json_object *list;
    struct table *table; /* NULL: none wanted */
};

static void add_use(const struct gateway *gateway, struct json_object *export,
                    struct json_object *filter, void *arg)
{
    struct uses *uses = arg;
    struct number held = count_number((double)number_of(filter, "held"));
    struct json_object *use = document();
    const char *cells[] = { gateway->name, text_of(export, "name"), text_of(filter, "place"),
                            held.text, flag_of(filter, "bypassed") ? "bypassed" : "in the chain" };

    if (uses->table)
        table_add(uses->table, cells);
    add_text(use, "gateway", gateway->name);
    add_text(use, "export", text_of(export, "name"));
    add_text(use, "place", text_of(filter, "place"));
    add_number(use, "held", number_of(filter, "held"));
    add_flag(use, "bypassed", flag_of(filter, "bypassed"));
    json_object_array_add(uses->list, use);
}

enum exit_code ctl_filter_exports(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *titles[] = { "GATEWAY", "EXPORT", "PLACE", ">HELD", "STATE", NULL };
    const char *name = invocation->words[0];
    struct table table;
    struct library *library;
    enum exit_code code = gateways_open(invocation, &all);

    if (code)
        return code;
    code = gateways_show(invocation, &all);
    struct uses uses = { enough(json_object_new_array()), &table };
    table_begin(&table, titles);
    each_use(&all, name, add_use, &uses);
    if (!items_of(uses.list)) {
        enum exit_code known = filters_begin(invocation);
        if (!known)
            known = filters_load(invocation, name, &library);
        if (known)
            return known;
    }
    enum exit_code written = print_list(invocation, "exports", uses.list, &table);
    return written ? written : code;
}

/* ---- list -------------------------------------------------------------------- */

static void count_use(const struct gateway *gateway, struct json_object *export,
                      struct json_object *filter, void *arg)
{
    (void)gateway;
    (void)export;
    (void)filter;
    ++*(size_t *)arg;
}

/* What a gateway says of the file that it has loaded: "" where all run what is installed. */
static const char *drift_of(const struct gateways *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *filter =
            entry_of(member_of(all->list[i].show, "filters"), "name", name);
        if (*text_of(filter, "drift"))
            return text_of(filter, "drift");
    }
    return "";
}

/* One that cannot be loaded is listed too, with the reason. */
static void list_filter(struct table *table, struct json_object *list, const struct gateways *all,
                        const char *name)
{
    cleanup_text struct weir_text why = { 0 };
    struct library *library = NULL;
    struct json_object *entry = document();
    size_t uses = 0;
    int error = loader_get(name, &library, &why);
    const char *drift = drift_of(all, name);
    struct origin origin;

    origin_of(name, error ? "" : library->path, &origin);
    each_use(all, name, count_use, &uses);
    struct number count = count_number((double)uses);
    const char *cells[] = { name,
                            error ? "-" : class_name(library->filter.klass),
                            error ? "-" : library->filter.version,
                            or_dash(origin.vendor),
                            or_dash(origin.signer),
                            count.text,
                            error    ? text_string(&why)
                            : *drift ? drift
                                     : library->filter.summary };
    table_add(table, cells);
    add_text(entry, "name", name);
    add_flag(entry, "loads", !error);
    if (error) {
        add_text(entry, "reason", text_string(&why));
    } else {
        add_text(entry, "class", cells[1]);
        add_text(entry, "version", cells[2]);
        add_text(entry, "path", library->path);
        add_text(entry, "summary", library->filter.summary);
    }
    add_text(entry, "vendor", origin.vendor);
    add_text(entry, "signed_by", origin.signer);
    add_text(entry, "drift", drift);
    add_number(entry, "exports", uses);
    json_object_array_add(list, entry);
    origin_finish(&origin);
}

/* In use by a gateway, but not where we look. */
static void list_foreign(struct table *table, struct json_object *list, const struct gateways *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct json_object *filters = member_of(all->list[i].show, "filters");
        for (size_t n = 0; n < items_of(filters); n++) {
            struct json_object *filter = json_object_array_get_idx(filters, n);
            if (!entry_of(list, "name", text_of(filter, "name")))
                list_filter(table, list, all, text_of(filter, "name"));
        }
    }
}

enum exit_code ctl_filter_list(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    const char *titles[] = { "FILTER",    "CLASS",   "VERSION", "VENDOR",
                             "SIGNED BY", ">IN USE", "SUMMARY", NULL };
    struct table table;
    enum exit_code code = filters_begin(invocation);

    if (code)
        return code;
    gateways_connect(invocation, &all); /* none: then nobody uses any */
    code = gateways_show(invocation, &all);
    cleanup_free char **names = enough(loader_names());
    struct json_object *list = enough(json_object_new_array());
    table_begin(&table, titles);
    for (size_t i = 0; names[i]; i++)
        list_filter(&table, list, &all, names[i]);
    list_foreign(&table, list, &all);
    enum exit_code written = print_list(invocation, "filters", list, &table);
    return written ? written : code;
}

/* ---- one --------------------------------------------------------------------- */

static void print_info(const struct library *library, const struct uses *uses)
{
    const struct weir_filter *filter = &library->filter;

    printf("name      %s\nclass     %s\nversion   %s\nabi       %u\npath      %s\nsummary   %s\n",
           filter->name, class_name(filter->klass), filter->version, filter->abi, library->path,
           filter->summary);
    printf("exports  ");
    for (size_t i = 0; i < items_of(uses->list); i++) {
        struct json_object *use = json_object_array_get_idx(uses->list, i);
        printf("%s %s/%s", i ? "," : "", text_of(use, "gateway"), text_of(use, "export"));
    }
    puts(items_of(uses->list) ? "" : " none");
}

enum exit_code ctl_filter_info(const struct invocation *invocation)
{
    cleanup_gateways struct gateways all = { 0 };
    struct library *library;
    enum exit_code code = filters_begin(invocation);

    if (!code)
        code = filters_load(invocation, invocation->words[0], &library);
    if (code)
        return code;
    gateways_connect(invocation, &all);
    code = gateways_show(invocation, &all);
    struct uses uses = { enough(json_object_new_array()), NULL };
    each_use(&all, invocation->words[0], add_use, &uses);
    if (!invocation->option[OPTION_JSON]) {
        print_info(library, &uses);
        json_object_put(uses.list);
        enum exit_code written = finish_output(invocation);
        return written ? written : code;
    }
    struct json_object *ret = document();
    add_text(ret, "name", library->filter.name);
    add_text(ret, "class", class_name(library->filter.klass));
    add_text(ret, "version", library->filter.version);
    add_number(ret, "abi", library->filter.abi);
    add_text(ret, "path", library->path);
    add_text(ret, "summary", library->filter.summary);
    add_item(ret, "exports", uses.list);
    enum exit_code written = print_document(invocation, ret);
    return written ? written : code;
}

enum exit_code ctl_filter_describe(const struct invocation *invocation)
{
    struct library *library;
    const char *file = invocation->option[OPTION_FROM];
    const char *name = invocation->words[0];

    if (!file == !name)
        return say_misuse(invocation, "which filter? a FILTER or --from=FILE.so is expected");
    enum exit_code code =
        file ? filters_load_file(invocation, file, &library) : filters_begin(invocation);
    if (!code && !file)
        code = filters_load(invocation, name, &library);
    if (code)
        return code;
    if (invocation->option[OPTION_JSON])
        return print_document(invocation, describe_document(library));
    if (invocation->option[OPTION_POD])
        describe_pod(library, stdout);
    else
        describe_text(library, stdout);
    return finish_output(invocation);
}
