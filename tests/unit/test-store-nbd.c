/* test-store-nbd.c - does a far disk stay right while its server comes and goes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-harness.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, KILLS = 8, BETWEEN = 400 };

static void refused(struct disk *d, const char *sentence)
{
    if (!strstr(text_string(&d->why), sentence))
        fail_msg("\"%s\" does not say \"%s\"", text_string(&d->why), sentence);
    disk_close(d);
}

static int open_disk(struct disk *d, const char *const *options, const char *image)
{
    return disk_open(d, "nbd", options, &(struct store_image){ .image = image });
}

/* ---- far servers of the test's own -------------------------------------------------------- */

struct far {
    const char *words[12];
    char socket[128], uri[192];
    pid_t pid;
};

static bool listens(void *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", (char *)path);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void far_start(struct far *f)
{
    unlink(f->socket);
    f->pid = start(f->words);
    wait_until(listens, f->socket, "the far server's socket");
}

static void far_kill(struct far *f)
{
    assert_int_equal(kill(f->pid, SIGKILL), 0);
    while (waitpid(f->pid, NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
}

/* nbdkit -f -U SOCKET and these words */
static void far_nbdkit(struct far *f, const char *name, const char *const *words)
{
    size_t n = 0;

    *f = (struct far){ .pid = -1 };
    snprintf(f->socket, sizeof f->socket, "%s/%s.sock", work, name);
    snprintf(f->uri, sizeof f->uri, "nbd+unix:///?socket=%s", f->socket);
    f->words[n++] = "nbdkit";
    f->words[n++] = "-f";
    f->words[n++] = "-U";
    f->words[n++] = f->socket;
    while (*words)
        f->words[n++] = *words++;
    f->words[n] = NULL;
    far_start(f);
}

/* ---- what a server that lives offers ----------------------------------------------------------
 */

static void conforms_over_several_connections(void **state)
{
    static const char *const words[] = { "memory", "8M", NULL };
    struct far far;
    struct disk d;

    (void)state;
    far_nbdkit(&far, "conforms", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(d.geometry.size, 8 * MIB);
    walk_together(&d, 8, 600);
    disk_close(&d);
    stop(far.pid);
}

static void conforms_behind(const char *const *options, const char *image, unsigned threads)
{
    struct disk d;

    int r = open_disk(&d, options, image);
    if (r < 0)
        fail_msg("%s", text_string(&d.why));
    walk_together(&d, threads, 300);
    disk_close(&d);
}

static void make_image(const char *format, const char *name)
{
    const char *words[] = { "qemu-img", "create", "-q", "-f", format, in_work(name), "8M", NULL };

    skip_unless(has("qemu-img") && has("qemu-nbd"), "qemu-utils");
    assert_int_equal(run(words), 0);
}

static void conforms_in_qcow2(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };

    (void)state;
    make_image("qcow2", "disk.qcow2");
    conforms_behind(options, "disk.qcow2", 8);
}

static void conforms_in_vmdk(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -f vmdk {image}", NULL };

    (void)state;
    make_image("vmdk", "disk.vmdk");
    conforms_behind(options, "disk.vmdk", 4);
}

static void conforms_in_an_nbdkit_plugin(void **state)
{
    static const char *const options[] = { "command", "nbdkit memory '8M'", NULL };

    (void)state;
    conforms_behind(options, "", 4);
}

static void requests_are_cut_to_what_the_server_takes(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit --filter=blocksize-policy memory 8M blocksize-minimum=512 "
        "blocksize-preferred=4096 blocksize-maximum=8192 blocksize-error-policy=error",
        NULL
    };

    (void)state;
    conforms_behind(options, "", 4);
}

static void what_a_server_cannot_is_made_up_for(void **state)
{
    /* no flush, FUA, trim, zero, extents or prefetch: only reads and writes */
    static const char *const options[] = {
        "command",
        "nbdkit --filter=noextents --filter=nozero --filter=nocache eval "
        "get_size='echo 1048576' open='truncate -s 1M bare' "
        "pread='dd if=bare iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none' "
        "pwrite='dd of=bare oflag=seek_bytes seek=$4 conv=notrunc status=none'",
        NULL
    };
    struct disk d;

    (void)state;
    int r = open_disk(&d, options, "");
    if (r < 0)
        fail_msg("%s", text_string(&d.why));
    walk_together(&d, 2, 60);
    assert_int_equal(disk_do(&d, WEIR_ZERO, WEIR_FAST_ZERO, 0, 512, NULL), -ENOTSUP);
    assert_false(disk_is_hole(&d, 0, MIB));
    disk_close(&d);
}

static void forced_writes_are_flushed_where_they_must_be(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null' "
        "can_fua='echo none' flush='mkdir flushed'",
        NULL
    };
    char data[512] = "";
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_false(exists(in_work("flushed")));
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_true(exists(in_work("flushed")));
    disk_close(&d);
}

static void forced_writes_are_forced_where_they_can_be(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' can_fua='echo native' "
        "pwrite='cat >/dev/null; case \"$5\" in *fua*) mkdir forced;; esac' flush='mkdir no-need'",
        NULL
    };
    char data[512] = "";
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_false(exists(in_work("forced")));
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), 0);
    assert_true(exists(in_work("forced")));
    assert_false(exists(in_work("no-need")));
    disk_close(&d);
}

/* Three writes are more than may be kept, so every third is followed by a flush. */
static void what_is_kept_is_bounded(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null' "
        "flush='echo >>flushes'",
        "keep_unflushed", "80K", NULL
    };
    static char data[32768];
    const char *count[] = { "sh", "-c", "test \"$(wc -l <\"$0\")\" = 3", in_work("flushes"), NULL };
    struct disk d;

    (void)state;
    assert_int_equal(open_disk(&d, options, ""), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, sizeof data, data), 0);
    assert_int_equal(run(count), 0);
    disk_close(&d);
}

static void one_connection_where_several_are_not_allowed(void **state)
{
    /* the second connection would be refused, which would be seen as a loss */
    static const char *const options[] = {
        "command",
        "nbdkit --filter=multi-conn --filter=limit memory 8M multi-conn-mode=disable "
        "limit=1",
        "connections", "8", NULL
    };

    (void)state;
    conforms_behind(options, "", 4);
}

static void tls_by_uri(void **state)
{
    static const char *const words[] = {
        "--tls=require", "--tls-psk", "psk", "memory", "8M", NULL
    };
    char uri[400];
    struct far far;
    const char *full[6];

    (void)state;
    FILE *keys = fopen(in_work("psk"), "w");
    fprintf(keys, "weir:0123456789abcdef0123456789abcdef\n");
    fclose(keys);
    memcpy(full, words, sizeof full);
    full[2] = in_work("psk");
    far_nbdkit(&far, "tls", full);
    snprintf(uri, sizeof uri, "nbds+unix://weir@/?socket=%s&tls-psk-file=%s", far.socket,
             in_work("psk"));
    const char *options[] = { "uri", uri, NULL };
    conforms_behind(options, "", 4);
    stop(far.pid);
}

static void the_image_is_the_far_exports_name(void **state)
{
    static const char *const words[] = {
        "--filter=exportname", "memory", "1M", "exportname=a disk", "exportname-strict=true", NULL
    };
    char uri[400];
    struct far far;
    struct disk d;

    (void)state;
    far_nbdkit(&far, "named", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, "a disk"), 0);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, "b"), -EIO);
    refused(&d, "disk \"b\": the server gives:");
    snprintf(uri, sizeof uri, "nbd+unix:///a%%20{image}?socket=%s", far.socket);
    const char *mark[] = { "uri", uri, NULL };
    assert_int_equal(open_disk(&d, mark, "disk"), 0);
    disk_close(&d);
    assert_int_equal(open_disk(&d, mark, ""), -EINVAL);
    refused(&d, "give the export an image");
    const char *twice[] = { "uri", "nbd://localhost/one", NULL };
    assert_int_equal(open_disk(&d, twice, "two"), -EINVAL);
    refused(&d, "names an export already");
    stop(far.pid);
}

/* ---- a server that dies
 * ---------------------------------------------------------------------------- */

struct progress {
    struct walks *all;
    uint64_t goal;
};

static bool has_gone_on(void *arg)
{
    struct progress *p = arg;

    return walks_done(p->all) >= p->goal;
}

static void wait_for_more(struct walks *all)
{
    struct progress p = { all, walks_done(all) + BETWEEN };

    wait_until(has_gone_on, &p, "requests are answered again");
}

static void a_killed_nbdkit_is_a_pause(void **state)
{
    const char *words[] = { "file", in_work("killed"), NULL };
    struct walks all;
    struct far far;
    struct disk d;

    (void)state;
    make_file("killed", 8 * MIB);
    far_nbdkit(&far, "killed", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    walks_start(&all, &d, 8, 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_more(&all);
        far_kill(&far);
        far_start(&far);
    }
    wait_for_more(&all);
    walks_end(&all);
    walks_finish(&all);
    disk_close(&d);
    stop(far.pid);
}

/* The newest process whose parent is `parent`. */
static pid_t child_of(pid_t parent)
{
    DIR *list = opendir("/proc");
    pid_t newest = 0;

    for (struct dirent *entry; (entry = readdir(list));) {
        char path[64], state;
        int pid = atoi(entry->d_name), its_parent = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = pid > 0 ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &its_parent) == 2 && its_parent == parent &&
            state != 'Z' && pid > newest)
            newest = pid;
        fclose(file);
    }
    closedir(list);
    return newest;
}

/* qemu-nbd holds qcow2's tables in its memory: what it answered and did not flush is
 * gone with it, unless it is sent again. */
static void a_killed_command_is_a_pause_and_loses_nothing(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}",
                                           "reconnect_delay", "100ms", NULL };
    struct walks all;
    struct disk d;

    (void)state;
    make_image("qcow2", "killed.qcow2");
    assert_int_equal(open_disk(&d, options, "killed.qcow2"), 0);
    walks_start(&all, &d, 8, 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_more(&all);
        pid_t pid = child_of(getpid());
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    wait_for_more(&all);
    walks_end(&all);
    walks_finish(&all);
    disk_close(&d);
    assert_int_equal(child_of(getpid()), 0);
}

static void a_flush_holds_what_was_answered_before_it(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };
    static char data[MIB], back[MIB];
    struct disk d;

    (void)state;
    make_image("qcow2", "flushed.qcow2");
    assert_int_equal(open_disk(&d, options, "flushed.qcow2"), 0);
    memset(data, 'a', sizeof data);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, MIB, data), 0);
    assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
    disk_close(&d); /* sends nothing again */
    assert_int_equal(open_disk(&d, options, "flushed.qcow2"), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, MIB, back), 0);
    assert_memory_equal(data, back, MIB);
    disk_close(&d);
}

static void a_command_ends_with_its_gateway(void **state)
{
    static const char *const options[] = { "command", "qemu-nbd -t -e 8 -f qcow2 {image}", NULL };
    int ready[2];
    pid_t server = 0;

    (void)state;
    make_image("qcow2", "left.qcow2");
    assert_int_equal(pipe(ready), 0);
    pid_t gateway = fork();
    if (gateway == 0) {
        struct disk d;
        if (open_disk(&d, options, "left.qcow2") < 0)
            _exit(1);
        server = child_of(getpid());
        if (write(ready[1], &server, sizeof server) < 0)
            _exit(1);
        raise(SIGKILL);
    }
    assert_int_equal(read(ready[0], &server, sizeof server), sizeof server);
    assert_true(server > 0);
    assert_int_equal(waitpid(gateway, NULL, 0), gateway);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", (int)server);
    struct timespec pause = { .tv_nsec = 10000000 };
    for (int i = 0; i < 2000 && access(path, F_OK) == 0; i++)
        nanosleep(&pause, NULL);
    assert_int_not_equal(access(path, F_OK), 0);
    close(ready[0]);
    close(ready[1]);
}

static void a_server_that_stays_away_is_an_error_then_comes_back(void **state)
{
    const char *words[] = { "file", in_work("away"), NULL };
    char data[512] = "kept", back[512];
    struct far far;
    struct disk d;

    (void)state;
    make_file("away", MIB);
    far_nbdkit(&far, "away", words);
    const char *options[] = { "uri",   far.uri, "retry_timeout", "1s", "reconnect_delay",
                              "100ms", NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    far_kill(&far);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, back), -EIO);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, back), -EIO);
    far_start(&far);
    int r = -EIO;
    for (int i = 0; i < 2000 && r == -EIO; i++) {
        r = disk_do(&d, WEIR_READ, 0, 0, 512, back);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    assert_int_equal(r, 0);
    assert_memory_equal(data, back, 512);
    disk_close(&d);
    stop(far.pid);
}

static void another_disk_at_the_same_place_is_not_served(void **state)
{
    const char *words[] = { "file", in_work("resized"), NULL };
    char data[512] = "";
    struct far far;
    struct disk d;

    (void)state;
    make_file("resized", MIB);
    far_nbdkit(&far, "resized", words);
    const char *options[] = { "uri", far.uri, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    far_kill(&far);
    make_file("resized", 2 * MIB);
    far_start(&far);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), -EIO);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(d.geometry.size, 2 * MIB);
    disk_close(&d);
    stop(far.pid);
}

/* ---- a server that refuses
 * --------------------------------------------------------------------------- */

static void a_failed_flush_is_never_forgotten(void **state)
{
    char flush[160], data[512] = "";
    struct disk d;

    (void)state;
    snprintf(
        flush, sizeof flush,
        "nbdkit eval get_size='echo 65536' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null'"
        " flush='test -e %s && exit 0; echo EIO >&2; exit 1'",
        "ok");
    const char *options[] = { "command", flush, NULL };
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_WRITE, 0, 0, 512, data), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), -EIO);
    make_file("ok", 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), -EIO);
    assert_int_equal(disk_do(&d, WEIR_WRITE, WEIR_FUA, 0, 512, data), -EIO);
    disk_close(&d);
    assert_int_equal(open_disk(&d, options, ""), 0);
    assert_int_equal(disk_do(&d, WEIR_FLUSH, 0, 0, 0, NULL), 0);
    disk_close(&d);
}

static void a_server_that_shuts_down_is_waited_for(void **state)
{
    static const char *const options[] = {
        "command",
        "nbdkit eval get_size='echo 65536' pread='if mkdir asked; then echo ESHUTDOWN >&2; exit 1; "
        "fi; head -c $3 /dev/zero'",
        NULL
    };
    static const char *const enospc[] = {
        "command", "nbdkit eval get_size='echo 65536' pread='echo ENOSPC >&2; exit 1'", NULL
    };
    struct store_image reader = { .read_only = true };
    char data[512];
    struct disk d;

    (void)state;
    assert_int_equal(disk_open(&d, "nbd", options, &reader), 0);
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), 0);
    assert_true(exists(in_work("asked")));
    disk_close(&d);
    assert_int_equal(disk_open(&d, "nbd", enospc, &reader), 0); /* others go straight through */
    assert_int_equal(disk_do(&d, WEIR_READ, 0, 0, 512, data), -ENOSPC);
    disk_close(&d);
}

static void what_cannot_be_opened_says_why(void **state)
{
    static const struct {
        const char *options[5];
        const char *sentence;
    } cases[] = {
        { { NULL }, "needs a uri or a command" },
        { { "uri", "nbd://x", "command", "y", NULL }, "exclude each other" },
        { { "uri", "nbd://x", "path", "y", NULL }, "there is no command" },
        { { "command", "nbdkit 'memory", NULL }, "a quote is not closed" },
        { { "command", "  ", NULL }, "command is empty" },
        { { "uri", "x", NULL }, "does not begin like nbd://" },
        { { "uri", "http://x", NULL }, "unknown" },
        { { "uri", "nbd+unix:///?socket=/nowhere/s", NULL }, "No such file or directory" },
        { { "command", "weir-no-such-program", NULL }, "cannot be started in folder" },
        { { "command", "nbdkit memory nonsense=1", NULL }, "ended with status 1 before it" },
        { { "command", "nbdkit memory 0", NULL }, "is empty at its server" },
        { { "command", "nbdkit -r memory 1M", NULL }, "give the export read_only = true" },
        { { "command", "nbdkit {image}", NULL }, "command says {image}" },
    };
    struct disk d;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(open_disk(&d, cases[i].options, "") < 0);
        refused(&d, cases[i].sentence);
    }
    static const char *const memory[] = { "command", "nbdkit memory 1M", NULL };
    assert_int_equal(disk_open(&d, "nbd", memory, &(struct store_image){ .size = 5 }), -EINVAL);
    refused(&d, "has 1048576 bytes at its server, the export says 5");
    assert_int_equal(open_disk(&d, memory, ""), 0);
    assert_int_equal(d.type->grow(d.self, 2 * MIB, &d.why), -ENOTSUP);
    assert_int_equal(d.type->snapshot(d.self, "x", &d.why), -ENOTSUP);
    refused(&d, "make snapshot \"x\" there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conforms_over_several_connections),
        cmocka_unit_test(conforms_in_qcow2),
        cmocka_unit_test(conforms_in_vmdk),
        cmocka_unit_test(conforms_in_an_nbdkit_plugin),
        cmocka_unit_test(requests_are_cut_to_what_the_server_takes),
        cmocka_unit_test(what_a_server_cannot_is_made_up_for),
        cmocka_unit_test(forced_writes_are_flushed_where_they_must_be),
        cmocka_unit_test(forced_writes_are_forced_where_they_can_be),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(one_connection_where_several_are_not_allowed),
        cmocka_unit_test(tls_by_uri),
        cmocka_unit_test(the_image_is_the_far_exports_name),
        cmocka_unit_test(a_killed_nbdkit_is_a_pause),
        cmocka_unit_test(a_killed_command_is_a_pause_and_loses_nothing),
        cmocka_unit_test(a_flush_holds_what_was_answered_before_it),
        cmocka_unit_test(a_command_ends_with_its_gateway),
        cmocka_unit_test(a_server_that_stays_away_is_an_error_then_comes_back),
        cmocka_unit_test(another_disk_at_the_same_place_is_not_served),
        cmocka_unit_test(a_failed_flush_is_never_forgotten),
        cmocka_unit_test(a_server_that_shuts_down_is_waited_for),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };

    return cmocka_run_group_tests_name("store-nbd", tests, make_work, remove_work);
}
