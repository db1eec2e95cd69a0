/* places.c - where does a gateway live?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "gateway.h"
#include "scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct places here; /* set once, before the first export */
static uint64_t started;   /* clock_ns of places_init() */

int places_init(const char *name, const char *run, const char *state, const char *filters)
{
    clock_init();
    started = clock_ns();
    here = (struct places){ strdup(name), strdup(run), strdup(state), strdup(filters) };
    if (!here.name || !here.run || !here.state || !here.filters)
        return -ENOMEM;
    return loader_path(filters);
}

bool gateway_name_is_plain(const char *name)
{
    return !name || (*name && *name != '.' && strlen(name) < 64 &&
                     !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789._-")]);
}

/* What everybody may write to, or belongs to another user, is no place for sockets and state: who
 * made it first would own what is in it.  Root decides for itself whose folders it uses. */
static int judge_folder(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return -errno;
    if (st.st_mode & S_IWOTH)
        return -EPERM;
    return geteuid() && st.st_uid && st.st_uid != geteuid() ? -EPERM : 0;
}

int places_open(const char *name, const char *run, const char *state, const char *filters)
{
    cleanup_free char *run_default = run ? NULL : default_run();
    cleanup_free char *state_default = state ? NULL : default_state();
    cleanup_free char *filters_default = filters ? NULL : default_filters();

    run = run ? run : run_default;
    state = state ? state : state_default;
    filters = filters ? filters : filters_default;
    if (!run || !state || !filters)
        return -ENOMEM;
    int r = places_init(name ? name : "main", run, state, filters);
    if (!r)
        r = make_folders(run, 0755);
    if (!r)
        r = judge_folder(run);
    if (!r)
        r = make_folders(state, 0700);
    return r ? r : judge_folder(state);
}

const struct places *places(void)
{
    return &here;
}

void places_finish(void)
{
    free(here.name);
    free(here.run);
    free(here.state);
    free(here.filters);
    here = (struct places){ 0 };
}

uint64_t gateway_uptime_s(void)
{
    return (clock_ns() - started) / 1000000000u;
}

/* What the environment says, else a system folder for root, else one of the user's. */
static char *folder(const char *variable, const char *system, const char *user_variable,
                    const char *user_fallback)
{
    const char *said = getenv(variable), *base = getenv(user_variable), *home = getenv("HOME");
    char *path = NULL;
    int n;

    if (said && *said)
        return strdup(said);
    if (geteuid() == 0)
        return strdup(system);
    if (base && *base)
        n = asprintf(&path, "%s/weir", base);
    else
        n = asprintf(&path, "%s%s/weir", home && *home ? home : "/tmp", user_fallback);
    return n < 0 ? NULL : path;
}

char *default_run(void)
{
    return folder("WEIR_RUN", "/run/weir", "XDG_RUNTIME_DIR", "/.cache");
}

char *default_state(void)
{
    return folder("WEIR_STATE", "/var/lib/weir", "XDG_STATE_HOME", "/.local/state");
}

char *default_filters(void)
{
    const char *said = getenv("WEIR_FILTERS");

    return strdup(said && *said ? said : WEIR_FILTERDIR);
}
