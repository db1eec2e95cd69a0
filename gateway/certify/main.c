/* main.c - may this filter stand between a guest and its disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { OK = 0, FOUND = 1, USAGE = 2, LIST_MAX = 64 };

static const char usage[] =
    "usage: weir-certify [--policy FILE] [--option NAME=VALUE]... [--pool NAME=PATH,SIZE]...\n"
    "                    [--check NAME]... [--except NAME=WHY]... [--seconds N] [--seed N]\n"
    "                    [--text | --json] [--html FILE] FILTER.so\n"
    "       weir-certify --list | --help | --version\n";

struct command {
    struct kit kit;
    struct pair options[LIST_MAX], excepted[LIST_MAX];
    struct pool pools[16];
    const char *chosen[LIST_MAX];
    size_t excepted_count, chosen_count;
    bool json;
    const char *html;
    char *path, *name; /* of kit */
};

static _Noreturn void __attribute__((format(printf, 1, 2))) refuse(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "weir-certify: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(USAGE);
}

/* ---- the command line ------------------------------------------------------------------ */

static struct pair split(const char *what, char *text)
{
    char *equals = strchr(text, '=');

    if (!equals || equals == text)
        refuse("--%s %s: expected NAME=%s", what, text, "…");
    *equals = '\0';
    return (struct pair){ text, equals + 1 };
}

static void add_pool(struct command *c, char *text)
{
    struct pair p = split("pool", text);
    char *comma = strrchr(p.value, ',');
    struct pool *pool = &c->pools[c->kit.pool_count++];

    *pool = (struct pool){ .name = p.name, .path = p.value };
    if (!comma || parse_size(comma + 1, &pool->size))
        refuse("--pool %s=%s: expected PATH,SIZE, as in \"pool,64M\"", p.name, p.value);
    *comma = '\0';
}

static void must_be_check(const char *name)
{
    cleanup_free const char **names = calloc(check_count + 1, sizeof(*names));

    for (size_t i = 0; names && i < check_count; i++) {
        names[i] = checks[i].name;
        if (strcmp(name, names[i]) == 0)
            return;
    }
    const char *near = names ? nearest_word(name, names) : NULL;
    refuse("there is no check \"%s\"%s%s%s", name, near ? "; did you mean \"" : ": see --list",
           near ? near : "", near ? "\"?" : "");
}

static double parse_seconds(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds >= 0) || seconds > 86400)
        refuse("--seconds %s: expected a number from 0 to 86400", text);
    return seconds;
}

static uint64_t parse_seed(const char *text)
{
    char *end;

    errno = 0;
    uint64_t seed = strtoull(text, &end, 0);
    if (end == text || *end || errno || *text == '-')
        refuse("--seed %s: expected a whole number", text);
    return seed;
}

static _Noreturn void list(void)
{
    for (size_t i = 0; i < check_count; i++)
        printf("%-9s %s\n", checks[i].name, checks[i].sentence);
    exit(OK);
}

static void room(size_t count, size_t most, const char *what)
{
    if (count >= most)
        refuse("more than %zu times --%s", most, what);
}

static void take(struct command *c, int letter, char *value)
{
    switch (letter) {
    case 'o':
        room(c->kit.option_count, LIST_MAX, "option");
        c->options[c->kit.option_count++] = split("option", value);
        return;
    case 'p':
        room(c->kit.pool_count, 16, "pool");
        add_pool(c, value);
        return;
    case 'P':
        c->kit.policy = value;
        return;
    case 'c':
        room(c->chosen_count, LIST_MAX, "check");
        must_be_check(value);
        c->chosen[c->chosen_count++] = value;
        return;
    case 'e':
        room(c->excepted_count, LIST_MAX, "except");
        c->excepted[c->excepted_count] = split("except", value);
        must_be_check(c->excepted[c->excepted_count++].name);
        return;
    case 'n':
        c->kit.seconds = parse_seconds(value);
        return;
    case 's':
        c->kit.seed = parse_seed(value);
        return;
    case 'j':
        c->json = true;
        return;
    case 't':
        c->json = false;
        return;
    case 'h':
        c->html = value;
        return;
    case 'l':
        list();
    case 'v':
        printf("weir-certify %s\n", WEIR_VERSION);
        exit(OK);
    case 'H':
        printf("%s", usage);
        exit(OK);
    default:
        fprintf(stderr, "%s", usage);
        exit(USAGE);
    }
}

static void parse(struct command *c, int argc, char **argv)
{
    /* clang-format off */
    static const struct option words[] = {
        { "option", required_argument, NULL, 'o' },
        { "pool", required_argument, NULL, 'p' },
        { "policy", required_argument, NULL, 'P' },
        { "check", required_argument, NULL, 'c' },
        { "except", required_argument, NULL, 'e' },
        { "seconds", required_argument, NULL, 'n' },
        { "seed", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "text", no_argument, NULL, 't' },
        { "html", required_argument, NULL, 'h' },
        { "list", no_argument, NULL, 'l' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'H' },
        { 0 },
    };
    /* clang-format on */

    for (int letter; (letter = getopt_long(argc, argv, "", words, NULL)) != -1;)
        take(c, letter, optarg);
    if (optind != argc - 1) {
        fprintf(stderr, "%s", usage);
        exit(USAGE);
    }
}

/* The loader finds a filter by its file's name. */
static void find_filter(struct command *c, const char *file)
{
    static const char prefix[] = "weir-filter-", suffix[] = ".so";

    c->path = realpath(file, NULL);
    if (!c->path)
        refuse("%s: %s", file, strerror(errno));
    const char *base = strrchr(c->path, '/') + 1;
    size_t length = strlen(base), ends = strlen(prefix) + strlen(suffix);
    if (length <= ends || strncmp(base, prefix, strlen(prefix)) ||
        strcmp(base + length - strlen(suffix), suffix))
        refuse("%s: a filter's file is called weir-filter-NAME.so, or weir does not find it", file);
    c->name = strndup(base + strlen(prefix), length - ends);
    if (!c->name)
        refuse("no memory");
    c->kit.path = c->path;
    c->kit.name = c->name;
}

/* ---- the work --------------------------------------------------------------------------- */

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        refuse("no memory");
    return p;
}

static void digest(const char *path, char *hex)
{
    unsigned char sum[EVP_MAX_MD_SIZE], block[65536];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    FILE *f = fopen(path, "re");
    unsigned size = 0;

    if (!f || !context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        refuse("%s: %s", path, strerror(errno));
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
        EVP_DigestUpdate(context, block, n);
    EVP_DigestFinal_ex(context, sum, &size);
    EVP_MD_CTX_free(context);
    fclose(f);
    for (unsigned i = 0; i < size && i < 32; i++)
        snprintf(hex + i * 2, 3, "%02x", sum[i]);
}

/* In a process of its own: libcrypto stays untouched where encryption wants to be its first user.
 */
static void digest_apart(const char *path, char *hex)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        digest(path, hex);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
        exit(USAGE);
}

static bool is_chosen(const struct command *c, const char *name)
{
    for (size_t i = 0; i < c->chosen_count; i++)
        if (strcmp(c->chosen[i], name) == 0)
            return true;
    return !c->chosen_count || strcmp(name, "load") == 0; /* which says what it is */
}

static const char *why_not(const struct command *c, const char *name)
{
    for (size_t i = 0; i < c->excepted_count; i++)
        if (strcmp(c->excepted[i].name, name) == 0)
            return c->excepted[i].value;
    return NULL;
}

static void one_check(struct command *c, struct result *result)
{
    const char *why = why_not(c, result->check->name);

    c->kit.outcome = result->outcome;
    if (why) {
        atomic_store(&result->outcome->verdict, NOT_APPLICABLE);
        snprintf(result->outcome->reason, REASON_MAX, "excepted: %s", why);
    } else {
        run_check(&c->kit, result->check);
    }
}

static void say(const struct command *c, const struct weir_text *text)
{
    if (!c->json) {
        printf("%s", text_string(text));
        fflush(stdout);
    }
}

static void all_checks(struct command *c, struct result *results, const struct report *report)
{
    bool begun = false;

    for (size_t i = 0; i < check_count; i++) {
        cleanup_text struct weir_text text = { 0 };
        results[i].check = &checks[i];
        if (!is_chosen(c, checks[i].name))
            continue;
        results[i].outcome = shared(sizeof(struct outcome));
        one_check(c, &results[i]);
        if (!begun)
            report_head(report, &text);
        begun = true;
        report_line(results[i].outcome, &checks[i], &text);
        say(c, &text);
        if (i == 0 && atomic_load(&results[0].outcome->verdict) == FAILED)
            break; /* nothing else can be said of it */
    }
}

static void write_html(const struct command *c, const struct report *report)
{
    cleanup_free char *html = report_html(report);
    FILE *f = fopen(c->html, "we");

    if (!html || !f || fputs(html, f) < 0 || fclose(f))
        refuse("--html %s: %s", c->html, strerror(errno));
}

/* malloc counts what a thread keeps for itself as used; leaks are told from it only where no
 * thread keeps anything. */
static void begin_again(char **argv)
{
    if (slowness() > 1 || getenv("GLIBC_TUNABLES"))
        return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    struct command c = { .kit.seconds = 1, .kit.seed = now_ns() };
    struct result *results = calloc(check_count, sizeof(*results));
    struct report report = { .kit = &c.kit, .results = results, .count = check_count };
    cleanup_text struct weir_text text = { 0 };
    struct utsname host;

    begin_again(argv);
    c.kit.options = c.options;
    c.kit.pools = c.pools;
    parse(&c, argc, argv);
    find_filter(&c, argv[argc - 1]);
    c.kit.media = media_create();
    c.kit.about = shared(sizeof(struct about));
    if (!results || !c.kit.media)
        refuse("no memory");
    report.digest = shared(65);
    digest_apart(c.kit.path, report.digest);
    uname(&host);
    snprintf(report.host, sizeof(report.host), "%s, %s %s %s", host.nodename, host.sysname,
             host.release, host.machine);
    all_checks(&c, results, &report);
    report_foot(&report, &text);
    say(&c, &text);
    if (c.html)
        write_html(&c, &report);
    cleanup_free char *json = c.json ? report_json(&report) : NULL;
    if (json)
        fputs(json, stdout);
    bool found = report_count(&report, FAILED);
    free(results);
    free(c.path);
    free(c.name);
    return found ? FOUND : OK;
}
