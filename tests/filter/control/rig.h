/* rig.h - how does a test queue thousands of requests in I/O control, and look inside?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The real core and the real module in this process: disks 0 … of two datastores behind a
 * filter `control` each, above devices that the test stops and lets go.  A request that
 * waits needs a thread, so a crowd of requests is a crowd of threads.
 *
 * No test depends on a time: what must wait waits for a device that stands, or for a limit
 * that would let it go in half an hour. */
#ifndef RIG_H
#define RIG_H

#include "../../verdict/stage.h"
#include "look.h"

enum { RIG_DISKS = 8, RIG_DEVICES = 2, MIB = 1 << 20, RIG_SIZE = 64 * MIB };

/* Sanitizers have no room for more threads. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CROWD = 1500 };
#else
enum { CROWD = 10000 };
#endif

/* ---- devices ------------------------------------------------------------------ */

struct device {
    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t go;
    pthread_mutex_t server;    /* one request at a time is paused; nothing is locked under it */
    uint32_t stands;           /* WEIR_OP() mask of what stays in it */
    _Atomic unsigned let;      /* so many may go all the same */
    _Atomic unsigned pause_us; /* each request takes so long */
    _Atomic int error;         /* each request fails with this errno; 0: none does */
    unsigned inside, reached;  /* requests that stand in it now; that came, ever */
    unsigned of_op[WEIR_OP_COUNT];
    struct {
        unsigned disk;
        uint64_t offset;
    } order[1024]; /* of those that reached it since device_stop(); no more than these */
    unsigned noted;
};
extern struct device devices[RIG_DEVICES];

void device_stop(unsigned device, uint32_t ops);  /* WEIR_OP() mask; others are answered */
void device_let(unsigned device, unsigned count); /* of those that stand in it, or will */
void device_go(unsigned device);
unsigned device_inside(unsigned device);
unsigned device_reached(unsigned device);
unsigned device_saw(unsigned device, enum weir_op);

/* ---- disks -------------------------------------------------------------------- */

struct rig_disk {
    unsigned device;     /* first, for tables of tests */
    const char *options; /* of control: "iops=5 shares=low"; NULL: no filter */
    bool read_only;
    uint64_t hold_limit; /* ns; 0: none */
};
int rig_setup(void **state); /* of each test; closes what it left */
int rig_teardown(void **state);
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

void rig_open(unsigned disk, const struct rig_disk *);
void rig_close(unsigned disk);
struct export *rig_export(unsigned disk);
/* Another policy: other options, another copy of the library, or no control at all. */
int rig_apply(unsigned disk, const struct rig_disk *, bool upgrade);
void rig_set(unsigned disk, const char *option, const char *value);
uint64_t rig_stat(unsigned disk, const char *name); /* of a histogram: its count */

/* What control counts of the disk; it is open and has control. */
struct crowd;
struct look rig_look(unsigned disk);
unsigned rig_queued(unsigned disk);
unsigned rig_dues(void); /* how often a request that waits was woken to look, ever */
void rig_await_queued(unsigned disk, unsigned count);
void rig_add_outside(unsigned disk, long load); /* see look.h */
/* All counters of its datastore come to zero; what is left is printed and fails the test. */
void rig_assert_rest(unsigned disk);
/* Nobody was reported for a defect since the test began. */
void rig_assert_no_misuse(void);
/* Reads until the window is full and many wait, and then makes reads stand in the device. */
struct crowd *rig_fill(unsigned disk, unsigned device);
/* All that went has reached the device, so that who goes next comes next. */
void rig_settle(unsigned disk, unsigned device);
/* From now on nothing of this disk that is limited goes: a limit of one small request per
 * second, and a debt of half an hour. */
void rig_choke(unsigned disk);

/* ---- crowds ------------------------------------------------------------------- */

struct ask {
    unsigned disk;
    enum weir_op op;
    uint64_t offset, length;
    uint32_t flags;
};
/* `count` requests at once, each on a thread of its own, at offsets in steps of its length. */
struct crowd *crowd_start(unsigned count, const struct ask *);
/* The same, each again and again until crowd_calm(). */
struct crowd *crowd_start_again(unsigned count, const struct ask *);
void crowd_calm(struct crowd *);
unsigned crowd_under_way(void); /* requests of all crowds */
unsigned crowd_answered(const struct crowd *);
unsigned crowd_failed(const struct crowd *);
/* Each was answered, with success: asserts it, and frees. */
void crowd_end(struct crowd *);
int rig_ask(const struct ask *); /* on this thread: 0 or a positive errno */

/* Between the files of the rig. */
void device_init(struct device *);
extern const struct store_type image_store;

#endif
