/* exercise.c - does a file system keep what is done to its files, whatever that is?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * exercise run FOLDER OPERATIONS [SEED [WORKERS [KIB]]]   WORKERS processes, each with files of up
 *                            to KIB KiB of its own, do OPERATIONS together and compare what they
 *                            find with what they keep in memory.  FOLDER/manifest has, at the end,
 *                            what should be in each file: "EXERCISED FOLDER N operations …".
 * exercise verify FOLDER     is each file of the manifest there, as it should be, and no other?
 *                            "VERIFIED FOLDER N files manifest=HASH"; two runs of it agree.
 *
 * What is found wrong is said as "MISMATCH seed= worker= operation= file= offset=", with the bytes
 * and the last operations that touched them; the same seed and numbers do the same again. */
#include "act.h"
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMPARE_EVERY = 1000, WORKERS = 64 };

static int say_failed(const struct worker *w, const char *what, const char *path, int error)
{
    if (error < 0 && error != -EBADMSG)
        printf("FAILED seed=%" PRIu64 " worker=%u operation=%" PRIu64 " %s %s: %s\n", w->at.seed,
               w->at.worker, w->at.number, what, path, strerror(-error));
    return error;
}

/* All that is clean leaves memory, so that reads come from the disk; not everybody may. */
static int drop_caches(const struct worker *w)
{
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC), r = 0;

    if (syncfs(w->files[0].fd) < 0 || (fd >= 0 && write(fd, "3", 1) < 0))
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static int compare(struct worker *w, int direct)
{
    int r = 0;

    for (size_t i = 0; i < FILES && r == 0; i++) {
        const struct file *f = &w->files[i];
        r = file_compare(f, &w->at, direct);
        say_failed(w, direct ? "direct read of" : "read of", f->path, r);
    }
    return r;
}

static int act_once(struct worker *w, uint64_t done[], uint64_t unsupported[])
{
    struct file *f = &w->files[random_below(&w->random, FILES)];
    size_t i = act_choose(&w->random);
    int r = acts[i].run(w, f);

    if (r == -EOPNOTSUPP) {
        unsupported[i]++;
        return 0;
    }
    done[i]++;
    return say_failed(w, acts[i].name, f->path, r);
}

/* One process.  Its part of the manifest goes to `manifest`. */
static int work(struct worker *w, uint64_t operations, size_t limit, int manifest, uint64_t done[],
                uint64_t unsupported[])
{
    int r = 0;

    for (size_t i = 0; i < FILES && r == 0; i++)
        r = say_failed(w, "a file in", w->folder, worker_create_file(w, &w->files[i], limit));
    for (w->at.number = 1; w->at.number <= operations && r == 0; w->at.number++) {
        r = act_once(w, done, unsupported);
        if (r == 0 && w->at.number % COMPARE_EVERY == 0)
            r = compare(w, random_below(&w->random, 2) == 0);
    }
    r = r ? r : say_failed(w, "syncfs of", w->folder, drop_caches(w));
    r = r ? r : compare(w, 0);
    for (size_t i = 0; i < FILES && r == 0; i++)
        r = say_failed(w, "manifest of", w->folder, manifest_add(manifest, &w->files[i]));
    for (size_t i = 0; i < FILES; i++)
        file_destroy(&w->files[i]);
    return r;
}

static void say_counts(const char *folder, const uint64_t done[], const uint64_t unsupported[])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < acts_count; i++)
        sum += done[i] + unsupported[i];
    printf("EXERCISED %s %" PRIu64 " operations:", folder, sum);
    for (size_t i = 0; i < acts_count; i++)
        printf(" %s=%" PRIu64 "%s", acts[i].name, unsupported[i] ? unsupported[i] : done[i],
               unsupported[i] ? "(unsupported)" : "");
    printf("\n");
    fflush(stdout);
}

/* When one fails the others need not go on. */
static int wait_for(const pid_t children[], unsigned workers)
{
    int status, worst = 0;

    for (unsigned left = workers; left > 0; left--) {
        if (wait(&status) >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        if (!worst && WIFSIGNALED(status))
            printf("FAILED a worker was ended by signal %d\n", WTERMSIG(status));
        for (unsigned i = 0; i < workers && !worst; i++)
            kill(children[i], SIGTERM);
        worst = 1;
    }
    return worst;
}

static int run(const char *folder, uint64_t operations, uint64_t seed, unsigned workers,
               size_t limit)
{
    static struct worker w; /* of this process: large */
    pid_t children[WORKERS];
    size_t counts = 2 * acts_count * sizeof(uint64_t);
    int manifest = manifest_create(folder);
    uint64_t *done = mmap(NULL, workers * counts, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* a part for each worker */

    if (manifest < 0 || done == MAP_FAILED)
        return 1;
    printf("SEED %" PRIu64 ": %" PRIu64 " operations by %u workers in %s\n", seed, operations,
           workers, folder);
    fflush(stdout);
    for (unsigned i = 0; i < workers; i++) {
        children[i] = fork();
        if (children[i] < 0)
            return perror("fork"), 1;
        if (children[i] > 0)
            continue;
        uint64_t *mine = done + i * 2 * acts_count, random = seed + i;
        w.at = (struct where){ .seed = seed, .worker = i };
        w.random = random_next(&random);
        w.folder = folder;
        int r = work(&w, operations / workers + (i < operations % workers), limit, manifest, mine,
                     mine + acts_count);
        _exit((fflush(stdout) < 0) | (r < 0)); /* what went wrong is said first of all */
    }
    if (wait_for(children, workers))
        return 1;
    for (unsigned i = 1; i < workers; i++)
        for (size_t k = 0; k < 2 * acts_count; k++)
            done[k] += done[i * 2 * acts_count + k];
    say_counts(folder, done, done + acts_count);
    if (fsync(manifest) < 0 || close(manifest) < 0)
        return perror("manifest"), 1;
    return 0;
}

int main(int argc, char **argv)
{
    const char *wrong = NULL;
    unsigned long long n[4] = { 0, 1, 2, 512 };
    const unsigned long long least[4] = { 1, 0, 1, 8 },
                             most[4] = { ~0ull, ~0ull, WORKERS, 1 << 20 };

    for (int i = 3; i < argc && i < 7; i++) {
        char *end;
        errno = 0;
        n[i - 3] = strtoull(argv[i], &end, 10);
        if (*end || end == argv[i] || errno || n[i - 3] < least[i - 3] || n[i - 3] > most[i - 3])
            wrong = argv[i];
    }
    if (wrong)
        fprintf(stderr, "exercise: '%s' is no number that fits here\n", wrong);
    else if (argc >= 4 && argc <= 7 && strcmp(argv[1], "run") == 0)
        return run(argv[2], n[0], n[1], (unsigned)n[2], (size_t)n[3] * 1024 / BLOCK * BLOCK);
    else if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return manifest_verify(argv[2]) < 0;
    fprintf(stderr, "usage: exercise run FOLDER OPERATIONS [SEED [WORKERS [KIB]]] | "
                    "exercise verify FOLDER\n");
    return 2;
}
