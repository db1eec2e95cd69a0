/* test-leak.c - where does the key of a disk lie while it is worked with?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In the region only: all that can be read of this process is searched for it, and the core
 * dump of a process that holds ciphers.  Each search is made again with a copy of the key
 * left where it must not be, which it has to find. */
#include "child.h"
#include "needle.h"
#include "sector.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEY = 64, DATA = 8192, MAPS = 1000 };

static uint8_t data[DATA];
static struct needle key_needle;

/* A disk that is being worked with.  The key goes from the kernel into the region. */
static struct sector_cipher *make_cipher(void)
{
    struct secret key = { secret_alloc(KEY), KEY };
    struct sector_cipher *c;
    char why[512];

    if (!key.data || getrandom(key.data, KEY, 0) != KEY)
        return NULL;
    key_needle.count = 0;
    needle_add(&key_needle, key.data, KEY);
    if (sector_cipher_create("aes", "xts-plain64", &key, 4096, &c, why, sizeof why))
        return NULL;
    secret_clear(&key);
    if (sector_encrypt(c, data, data, DATA, 0) || sector_decrypt(c, data, data, DATA, 0))
        return NULL;
    return c;
}

/* The wrong that each search has to find. */
static uint8_t *leave_copy(void)
{
    uint8_t *copy = malloc(KEY);

    for (size_t i = 0; copy && i < KEY; i += 8) {
        uint64_t word = key_needle.masked[i / 8] ^ NEEDLE_MASK;
        memcpy(copy + i, &word, 8);
    }
    return copy;
}

/* ---- this process ------------------------------------------------------------ */

struct map {
    uint8_t *start;
    size_t size;
    bool region;
};

static size_t read_maps(struct map maps[MAPS])
{
    FILE *f = fopen("/proc/self/maps", "r");
    uintptr_t start, end;
    size_t count = 0;
    char line[1024], read;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        assert_int_equal(sscanf(line, "%lx-%lx %c", &start, &end, &read), 3);
        if (read != 'r' || strstr(line, "[vvar") || strstr(line, "[vsyscall]"))
            continue;
        assert_true(count < MAPS);
        maps[count++] = (struct map){ (uint8_t *)start, end - start, secret_holds((void *)start) };
    }
    fclose(f);
    return count;
}

static size_t count_in(const struct map *maps, size_t count, const struct needle *n, bool region)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        if (maps[i].region == region)
            found += needle_count(n, maps[i].start, maps[i].size);
    return found;
}

/* In the region the first half of a key is followed by the second one where the key lies, and by
 * the third round key where a context does: by what FIPS 197 makes of them. */
static struct needle schedule_in(const struct map *maps, size_t count)
{
    struct needle n = { 0 };

    for (size_t m = 0; m < count; m++)
        for (size_t at = 0; maps[m].region && at + 48 <= maps[m].size; at++) {
            const uint8_t *p = maps[m].start + at;
            size_t same = 0;
            while (same < 4 && needle_word(p + 8 * same) == key_needle.masked[same])
                same++;
            if (same == 4 && needle_word(p + 32) != key_needle.masked[4])
                needle_add(&n, p + 32, 16);
        }
    return n;
}

static void a_key_is_in_the_region_alone(void **state)
{
    static struct map maps[MAPS];
    struct sector_cipher *c;

    (void)state;
    /* before: what reads the list would overwrite what was left on the stack */
    size_t count = read_maps(maps);
    assert_non_null(c = make_cipher());
    assert_int_equal(count_in(maps, count, &key_needle, false), 0);
    count = read_maps(maps);
    assert_int_equal(count_in(maps, count, &key_needle, false), 0);
    /* the key, once, and both of its halves in a context of each way */
    assert_true(count_in(maps, count, &key_needle, true) >= 8 + 8);
    struct needle schedule = schedule_in(maps, count);
    assert_true(schedule.count >= 2);
    assert_int_equal(count_in(maps, count, &schedule, false), 0);

    uint8_t *copy = leave_copy();
    assert_non_null(copy);
    count = read_maps(maps);
    assert_int_equal(count_in(maps, count, &key_needle, false), 8);
    secret_wipe(copy, KEY);
    free(copy);

    sector_cipher_destroy(c);
    assert_int_equal(count_in(maps, count, &key_needle, false), 0);
    assert_int_equal(count_in(maps, count, &key_needle, true), 0);
    assert_int_equal(count_in(maps, count, &schedule, true), 0);
}

/* ---- a core dump ------------------------------------------------------------- */

/* Does the kernel write a core into the folder of the process? */
static bool kernel_dumps(void)
{
    FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
    char pattern[256] = "|";

    if (f) {
        if (!fgets(pattern, sizeof pattern, f))
            strcpy(pattern, "|");
        fclose(f);
    }
    return *pattern != '|' && !strchr(pattern, '/');
}

/* A process that holds a cipher, and dies of it, or waits until it is dumped. */
static void child(const char *folder, int to, bool careless)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    char why[512];

    if (chdir(folder) || secret_init(why, sizeof why) || !make_cipher())
        _exit(1);
    if (careless && !leave_copy())
        _exit(1);
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (write(to, &key_needle, sizeof key_needle) != sizeof key_needle)
        _exit(1);
    if (kernel_dumps() && setrlimit(RLIMIT_CORE, &all) == 0)
        abort();
    for (;;)
        pause();
}

/* The one file that lies there; fails where there is none. */
static size_t count_in_core(const char *folder, const struct needle *n)
{
    char find[256], path[256] = "";
    struct stat st;

    snprintf(find, sizeof find, "find %s -type f -name 'core*'", folder);
    FILE *f = popen(find, "r");
    assert_non_null(f);
    assert_non_null(fgets(path, sizeof path, f));
    pclose(f);
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *core = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(core, MAP_FAILED);
    assert_memory_equal(core, "\177ELF", 4);
    /* the masked key is in the child's memory: so the dump is of that memory */
    assert_non_null(memmem(core, (size_t)st.st_size, n, sizeof *n));
    size_t found = needle_count(n, core, (size_t)st.st_size);
    munmap(core, (size_t)st.st_size);
    close(fd);
    unlink(path);
    return found;
}

static bool gcore(pid_t pid)
{
    char command[128];

    snprintf(command, sizeof command, "gcore -o core %d >/dev/null 2>&1", (int)pid);
    return system(command) == 0;
}

static size_t dump(bool careless)
{
    char folder[] = "/tmp/weir-core-XXXXXX", old[4096];
    struct needle n;
    int pipes[2], status;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(folder, pipes[1], careless);
    assert_int_equal(read(pipes[0], &n, sizeof n), sizeof n);
    if (!kernel_dumps()) {
        assert_non_null(getcwd(old, sizeof old));
        assert_int_equal(chdir(folder), 0);
        bool done = gcore(pid);
        assert_int_equal(chdir(old), 0);
        kill(pid, SIGKILL);
        assert_true(done);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pipes[0]);
    close(pipes[1]);
    size_t found = count_in_core(folder, &n);
    rmdir(folder);
    return found;
}

static void a_core_dump_has_no_key(void **state)
{
    (void)state;
    if (!kernel_dumps() && system("command -v gcore >/dev/null") != 0) {
        print_message("cores go elsewhere (kernel.core_pattern), and gcore is not installed\n");
        skip();
    }
    assert_int_equal(dump(false), 0);
    assert_true(dump(true) >= 8);
}

static int init(void **state)
{
    char why[512];
    int r = secret_init(why, sizeof why);

    (void)state;
    if (r)
        print_error("%s\n", why);
    return r;
}

int main(void)
{
    const struct CMUnitTest dumps[] = { cmocka_unit_test(a_core_dump_has_no_key) };
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_key_is_in_the_region_alone) };

    if (SANITIZED) {
        puts("a sanitizer's shadow memory is too large to be searched");
        return 77;
    }
    /* the dumps first: its children have a region of their own */
    return cmocka_run_group_tests(dumps, NULL, NULL) + cmocka_run_group_tests(tests, init, NULL);
}
