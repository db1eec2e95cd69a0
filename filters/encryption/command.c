/* command.c - how is a command run that writes a key?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Without a shell, in a process group of its own, with no descriptor of ours but its standard
 * ones and with an environment that is made for it.  Its output goes from a pipe into
 * the region.  posix_spawn() is the one way that is safe among the threads of a gateway:
 * nothing of ours runs in the child, and no copy of our memory is made for it. */
#include "instant.h"
#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000, LINE_MAX_SHOWN = 200, VARIABLES_MAX = 16 };

struct running {
    const struct command *command;
    pid_t pid;
    int pidfd, output, errors; /* -1: none, or at its end */
    uint64_t deadline;         /* ns of CLOCK_MONOTONIC */
    struct key_intake in;
    char line[LINE_MAX_SHOWN + 1]; /* the last one of its standard error */
    size_t length;
    bool line_ended;
};

static void let_go(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- what it is given --------------------------------------------------------- */

/* Not 0 to 2, where the child's own go. */
static int above_standard(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd > STDERR_FILENO)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    return up < 0 ? -error : up;
}

static int open_pipe(int *from, int *to)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    *from = above_standard(ends[0]);
    *to = above_standard(ends[1]);
    if (*from < 0 || *to < 0)
        return -EMFILE;
    return fcntl(*from, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static int open_input(const char *input)
{
    if (!input)
        return above_standard(open("/dev/null", O_RDONLY | O_CLOEXEC));
    int fd = above_standard(memfd_create("weir-input", MFD_CLOEXEC));
    size_t size = strlen(input);
    if (fd < 0)
        return fd;
    if (write(fd, input, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET))
        return fd;
    close(fd);
    return -EIO;
}

static void free_environment(char **list)
{
    for (size_t i = 0; i < VARIABLES_MAX; i++)
        free(list[i]);
}

static int add_variable(char **list, size_t *n, const char *name, const char *value)
{
    if (*n + 1 >= VARIABLES_MAX)
        return -E2BIG;
    if (asprintf(&list[*n], "%s=%s", name, value) < 0) {
        list[*n] = NULL;
        return -ENOMEM;
    }
    ++*n;
    return 0;
}

static int make_environment(const struct command *c, char *list[VARIABLES_MAX])
{
    size_t n = 0;
    int r = add_variable(list, &n, "PATH",
                         "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

    if (!r)
        r = add_variable(list, &n, "WEIR_EXPORT", c->export ? c->export : "");
    if (!r)
        r = add_variable(list, &n, "WEIR_UUID", c->uuid ? c->uuid : "");
    for (const char *const *name = c->pass; !r && name && *name; name++) {
        const char *value = getenv(*name);
        if (value)
            r = add_variable(list, &n, *name, value);
    }
    return r;
}

static int spawn(const struct command *c, int input, int output, int errors, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    char *environment[VARIABLES_MAX] = { 0 };

    if (posix_spawn_file_actions_init(&files))
        return -ENOMEM;
    if (posix_spawnattr_init(&how)) {
        posix_spawn_file_actions_destroy(&files);
        return -ENOMEM;
    }
    sigemptyset(&none);
    sigfillset(&all);
    int r = -posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF);
    if (!r)
        r = -posix_spawnattr_setsigmask(&how, &none);
    if (!r)
        r = -posix_spawnattr_setsigdefault(&how, &all);
    if (!r)
        r = -posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    if (!r)
        r = -posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (!r)
        r = -posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    if (!r)
        r = -posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (!r)
        r = -posix_spawn_file_actions_addchdir_np(&files, "/");
    if (!r)
        r = make_environment(c, environment);
    if (!r)
        r = -posix_spawn(pid, c->words[0], &files, &how, c->words, environment);
    free_environment(environment);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

static int start(struct running *run)
{
    int input = open_input(run->command->input), output = -1, errors = -1;
    int r = input < 0 ? input : 0;

    if (!r)
        r = open_pipe(&run->output, &output);
    if (!r)
        r = open_pipe(&run->errors, &errors);
    if (!r)
        r = spawn(run->command, input, output, errors, &run->pid);
    if (r)
        run->pid = 0;
    let_go(&input);
    let_go(&output);
    let_go(&errors);
    if (r)
        return r;
    run->pidfd = pidfd_open(run->pid, 0);
    return run->pidfd < 0 ? -errno : 0;
}

/* ---- what it says ------------------------------------------------------------- */

static void keep_last_line(struct running *run, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            run->line_ended = true;
            continue;
        }
        if (run->line_ended)
            run->length = 0;
        run->line_ended = false;
        if (run->length < LINE_MAX_SHOWN)
            run->line[run->length++] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    }
    run->line[run->length] = '\0';
}

/* Reads what is there.  The descriptor is -1 after its end. */
static void read_errors(struct running *run)
{
    char text[512];
    ssize_t n;

    while ((n = read(run->errors, text, sizeof text)) > 0)
        keep_last_line(run, text, (size_t)n);
    if (!n || (errno != EAGAIN && errno != EINTR))
        let_go(&run->errors);
}

static int read_output(struct running *run)
{
    int r;

    while ((r = key_intake_read(&run->in, run->output)) > 0)
        ;
    if (r == -EAGAIN)
        return 0;
    let_go(&run->output);
    return r;
}

/* Until it has ended: who inherited its standard output may keep that open for ever. */
static int listen_to(struct running *run)
{
    for (;;) {
        struct pollfd fds[] = {
            { .fd = run->pidfd, .events = POLLIN },
            { .fd = run->output, .events = POLLIN },
            { .fd = run->errors, .events = POLLIN },
            { .fd = run->command->stop ? *run->command->stop : -1, .events = POLLIN },
        };
        uint64_t t = now_ns(), left = t < run->deadline ? run->deadline - t : 0;
        struct timespec wait = { .tv_sec = (time_t)(left / SECOND), .tv_nsec = left % SECOND };
        int n = left ? ppoll(fds, 4, &wait, NULL) : 0, r = 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -ETIMEDOUT;
        if (fds[3].revents)
            return -ECANCELED;
        if (run->output >= 0)
            r = read_output(run);
        if (run->errors >= 0)
            read_errors(run);
        if (r || fds[0].revents)
            return r;
    }
}

/* ---- how it ended ------------------------------------------------------------- */

static int refuse_start(const struct command *c, int error, char why[HEADER_WHY])
{
    const char *word = c->words[0];

    if (error == ENOENT)
        return key_refuse(
            why, ENOENT,
            "%s: the command \"%s\", or the interpreter that it names, is not there: install it",
            c->name, word);
    if (error == EACCES)
        return key_refuse(why, EACCES,
                          "%s: the command \"%s\" may not be run by the user of the gateway: "
                          "chmod +x it",
                          c->name, word);
    if (error == ENOEXEC)
        return key_refuse(why, ENOEXEC,
                          "%s: \"%s\" is not a program: a script begins with #! and its "
                          "interpreter",
                          c->name, word);
    return key_refuse(why, error, "%s: the command \"%s\" cannot be started: %s", c->name, word,
                      strerror(error));
}

static int refuse_run(const struct running *run, int error, char why[HEADER_WHY])
{
    const struct command *c = run->command;

    if (error == ETIMEDOUT)
        return key_refuse(why, ETIMEDOUT,
                          "%s: the command \"%s\" was ended because it had not answered after "
                          "%.1f s%s%s",
                          c->name, c->words[0], (double)c->patience / SECOND,
                          run->length ? "; it said: " : "", run->line);
    if (error == EFBIG)
        return key_refuse(why, EFBIG,
                          "%s: the command \"%s\" wrote more than %d MiB: expected a key", c->name,
                          c->words[0], KEY_SIZE_MAX >> 20);
    if (error == ENOMEM)
        return key_refuse(why, ENOMEM,
                          "%s: the command \"%s\" wrote more than the %zu bytes of locked memory "
                          "that are free",
                          c->name, c->words[0], secret_room());
    return key_refuse(why, error, "%s: the command \"%s\" cannot be listened to: %s", c->name,
                      c->words[0], strerror(error));
}

static int judge_end(struct running *run, int status, struct secret *key, char why[HEADER_WHY])
{
    const struct command *c = run->command;
    const char *colon = run->length ? ": " : "";

    if (WIFSIGNALED(status))
        return key_refuse(why, EIO, "%s: the command \"%s\" was ended by signal %d%s%s", c->name,
                          c->words[0], WTERMSIG(status), colon, run->line);
    if (WEXITSTATUS(status))
        return key_refuse(why, WEXITSTATUS(status) == COMMAND_REJECTED ? EKEYREJECTED : EACCES,
                          "%s: the command \"%s\" failed with exit code %d%s%s", c->name,
                          c->words[0], WEXITSTATUS(status), colon, run->line);
    if (key_intake_finish(&run->in, key))
        return key_refuse(why, ENODATA,
                          "%s: the command \"%s\" wrote nothing: expected the key on its standard "
                          "output%s%s",
                          c->name, c->words[0], run->length ? "; it said: " : "", run->line);
    return 0;
}

/* With what it has left running: the number of its group is its own until it is waited for. */
static int end(const struct running *run, int *status)
{
    pid_t pid;

    kill(-run->pid, SIGKILL);
    do
        pid = waitpid(run->pid, status, 0);
    while (pid < 0 && errno == EINTR);
    return pid < 0 ? -errno : 0; /* how it ended is not known then: never taken for success */
}

int command_run(const struct command *c, struct secret *key, char why[HEADER_WHY])
{
    struct running run = {
        .command = c,
        .pidfd = -1,
        .output = -1,
        .errors = -1,
    };
    int r = start(&run), status = 0;

    run.deadline = c->patience < UINT64_MAX - now_ns() ? now_ns() + c->patience : UINT64_MAX;
    if (!r) {
        r = listen_to(&run);
        int lost = end(&run, &status);
        r = r ? r : lost;
        if (r)
            refuse_run(&run, -r, why);
        else
            r = judge_end(&run, status, key, why);
    } else {
        if (run.pid > 0)
            end(&run, &status);
        refuse_start(c, -r, why);
    }
    key_intake_drop(&run.in);
    let_go(&run.output);
    let_go(&run.errors);
    let_go(&run.pidfd);
    return r;
}
