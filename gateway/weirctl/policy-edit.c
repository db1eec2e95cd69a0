/* policy-edit.c - how does a policy go through somebody's editor and back, unharmed?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scope.h"
#include "policy.h"

int read_stream(FILE *stream, char **ret)
{
    cleanup_text struct weir_text text = { 0 };
    char block[8192];
    size_t got;

    while ((got = fread(block, 1, sizeof(block), stream)) > 0) {
        if (memchr(block, '\0', got))
            return -EILSEQ;
        text_append(&text, block, got);
        if (text.length > CONTROL_LINE)
            return -EFBIG;
    }
    if (ferror(stream))
        return -errno;
    *ret = enough(text_take(&text));
    return 0;
}

int read_file(const char *path, char **ret)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return -errno;
    int error = read_stream(file, ret);
    fclose(file);
    return error;
}

static const char *editor(void)
{
    const char *names[] = { getenv("VISUAL"), getenv("EDITOR"), "vi" };

    for (size_t i = 0;; i++)
        if (names[i] && *names[i])
            return names[i];
}

/* Through a shell, as "code --wait" and the like are what people set. */
static int run_editor(const char *file)
{
    cleanup_text struct weir_text command = { 0 };
    int status;

    weir_print(&command, "%s \"$@\"", editor());
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        execl("/bin/sh", "sh", "-c", text_string(&command), editor(), file, (char *)NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int write_file(int fd, const char *text)
{
    FILE *file = fdopen(fd, "w");

    if (!file)
        return -errno;
    fputs(text, file);
    int failed = ferror(file);
    return fclose(file) == 0 && !failed ? 0 : -EIO;
}

static int make_file(const char *policy, const char *text, char **ret)
{
    const char *folder = getenv("TMPDIR");

    if (asprintf(ret, "%s/%s-XXXXXX.conf", folder && *folder ? folder : "/tmp", policy) < 0)
        *ret = enough(NULL);
    cleanup_fd int fd = mkostemps(*ret, 5, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write_file(steal_fd(fd), text);
}

/* Nobody at the keyboard: no. */
static bool edit_again(void)
{
    char line[16];

    if (!isatty(STDIN_FILENO))
        return false;
    fputs("Edit again? [Y/n] ", stderr);
    return fgets(line, sizeof(line), stdin) && strchr("yY\n", line[0]);
}

/* Edits until the gateway finds nothing wrong.  *text is what came out. */
static enum exit_code edit_loop(const struct invocation *invocation, struct policy_target *target,
                                const char *file, const char *original, char **text)
{
    enum exit_code code;

    do {
        int status = run_editor(file);
        if (status)
            return say(invocation, status < 0 ? status : -EIO,
                       "the editor \"%s\" ended with status %d", editor(), status);
        free(steal(*text));
        int error = read_file(file, text);
        if (error)
            return say(invocation, error, "cannot read \"%s\": %s", file, strerror(-error));
        if (strcmp(*text, original) == 0)
            return DONE;
        code = policy_put(invocation, target, "check", *text, file);
    } while (code == REJECTED && edit_again());
    return code;
}

/* Applies it, unless somebody else has changed the policy while the editor was open. */
static enum exit_code put_back(const struct invocation *invocation, struct policy_target *target,
                               const char *file, const char *original, const char *text)
{
    cleanup_free char *present = NULL;
    enum exit_code code = policy_get(invocation, target, &present);

    if (code)
        return code;
    if (strcmp(present, original) != 0)
        return say(invocation, -EBUSY, "policy \"%s\" was changed by somebody else meanwhile",
                   target->name);
    return policy_put(invocation, target, "set", text, file);
}

enum exit_code ctl_policy_edit(const struct invocation *invocation)
{
    cleanup_policy struct policy_target target = { 0 };
    cleanup_free char *original = NULL, *text = NULL, *file = NULL;
    enum exit_code code = policy_target_open(invocation, false, &target);

    if (!code)
        code = policy_get(invocation, &target, &original);
    if (code)
        return code;
    int error = make_file(target.name, original, &file);
    if (error)
        return say(invocation, error, "cannot write \"%s\": %s", file, strerror(-error));
    code = edit_loop(invocation, &target, file, original, &text);
    bool changed = !code && strcmp(text, original) != 0;
    if (changed)
        code = put_back(invocation, &target, file, original, text);
    if (code) {
        fprintf(stderr, "weirctl: policy \"%s\" is as it was; your text is in %s\n", target.name,
                file);
        return code;
    }
    unlink(file);
    if (!changed)
        fprintf(stderr, "weirctl: policy \"%s\" not changed\n", target.name);
    return policy_told(invocation, &target, "changed", changed);
}
