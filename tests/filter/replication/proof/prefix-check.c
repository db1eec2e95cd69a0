/* prefix-check.c - do these images together equal the disks at one moment, and what is lost?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * prefix-check --log FILE [OPTION…] IMAGE…     one image for each disk of the ledger, in its order:
 *                                              a file or an NBD URI
 *   --acked            all that was acknowledged before the images were read must be there
 *   --hardened         all that was flushed or acknowledged with FUA by then must be there
 *   --torn             what was never acknowledged may be there in part (a store that was killed)
 *   --initial FILE     what a disk held in the beginning; once for each disk
 *   --json             the last line is an object
 *
 * Exit: 0 it does, 1 it does not, 2 nobody can say.  The images are read before the log, so that
 * the ledger may go on meanwhile. */
#include <getopt.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "image.h"
#include "ledger-block.h"
#include "scope.h"

struct check {
    const char *log, *image[HISTORY_DISKS], *initial[HISTORY_DISKS];
    unsigned images, initials;
    enum demand demand;
    bool torn, json;
    struct history history;
    uint64_t by; /* how far the log was before the images were read */
    uint32_t *seen[HISTORY_DISKS];
    char wrong[512]; /* the first block that no ledger wrote there */
};

struct loss {
    uint64_t count, bytes, hardened, first_ack;
};

static int cannot(const char *sentence)
{
    fprintf(stderr, "prefix-check: %s\n", sentence);
    return 2;
}

static struct loss count_lost(const struct history *h, const struct cut *cut)
{
    struct loss loss = { .first_ack = h->last_ack };

    for (size_t i = 0; i < h->ops; i++) {
        const struct operation *op = &h->op[i];
        if (cut->in[i] || op->acked == NEVER || op->kind == KIND_FLUSH)
            continue;
        loss.count++;
        loss.bytes += op->length;
        loss.hardened += op->hardened != NEVER;
        if (op->acked_at < loss.first_ack)
            loss.first_ack = op->acked_at;
    }
    return loss;
}

static void print_cut(const struct check *c, const struct cut *cut)
{
    const struct history *h = &c->history;
    struct loss loss = count_lost(h, cut);
    double seconds = (double)(h->last_ack - loss.first_ack) / 1e9;

    printf("a legal cut: %zu of %zu operations; lost: %" PRIu64 " acknowledged ones, %" PRIu64
           " bytes, the last %.3f s; %" PRIu64 " of them hardened\n",
           cut->count, h->ops, loss.count, loss.bytes, seconds, loss.hardened);
    if (c->json)
        printf("{\"legal\":true,\"in\":%zu,\"operations\":%zu,\"lost\":%" PRIu64
               ",\"lost_bytes\":%" PRIu64 ",\"lost_seconds\":%.6f,\"lost_hardened\":%" PRIu64 "}\n",
               cut->count, h->ops, loss.count, loss.bytes, seconds, loss.hardened);
}

static void print_contradiction(const struct check *c, const struct cut *cut)
{
    printf("NOT a legal cut: %s\n", c->wrong[0] ? c->wrong : cut->why);
    if (c->json)
        printf("{\"legal\":false}\n");
}

static int judge(const struct check *c, enum demand demand, struct cut *cut)
{
    struct cut_question question = {
        .history = &c->history, .demand = demand, .by = c->by, .torn = c->torn
    };

    for (unsigned i = 0; i < c->images; i++)
        question.seen[i] = c->seen[i];
    return cut_judge(&question, cut);
}

static int answer(const struct check *c)
{
    struct cut cut, without = { 0 };
    int status = 1;

    if (judge(c, c->demand, &cut) < 0)
        return cannot("no memory");
    if (cut.legal) {
        print_cut(c, &cut);
        status = 0;
    } else if (c->demand == DEMAND_NONE || judge(c, DEMAND_NONE, &without) < 0 || !without.legal)
        print_contradiction(c, &cut);
    else {
        printf("NOT all that is demanded is there: %s\n", cut.why);
        print_cut(c, &without);
    }
    free(cut.in);
    free(without.in);
    return status;
}

/* The disks that the log has now; they were not more when the images were read. */
static int scan(struct check *c, unsigned i, char why[512])
{
    struct image image, initial = { .fd = -1 };
    uint64_t size = c->history.disk[i].size;
    char wrong[512];
    int r = -1;

    if (image_open(c->image[i], &image, why) < 0)
        return -1;
    if (c->initials && image_open(c->initial[i], &initial, why) < 0)
        goto out;
    if (image.size < size || (c->initials && initial.size < size)) {
        snprintf(why, 512, "%s is smaller than disk %u of the log", c->image[i], i);
        goto out;
    }
    c->seen[i] = calloc(size / LEDGER_BLOCK + 1, sizeof *c->seen[i]);
    if (!c->seen[i]) {
        snprintf(why, 512, "no memory");
        goto out;
    }
    r = image_scan(&image, c->initials ? &initial : NULL, c->history.run, i, size, c->seen[i],
                   wrong, why);
    if (r == 0 && !c->wrong[0])
        memcpy(c->wrong, wrong, sizeof wrong);
out:
    image_close(&initial);
    image_close(&image);
    return r;
}

static int check(struct check *c)
{
    char sentence[512] = "";

    if (history_read(c->log, &c->history, sentence) < 0)
        return cannot(sentence[0] ? sentence : "the log cannot be opened");
    if (c->images != c->history.disks || (c->initials && c->initials != c->images))
        return cannot(
            "there must be as many images, and as many --initial or none, as the log has disks");
    for (unsigned i = 0; i < c->images; i++)
        if (scan(c, i, sentence) < 0)
            return cannot(sentence);
    c->by = c->history.moments;
    history_free(&c->history); /* what was sent meanwhile is in it now */
    if (history_read(c->log, &c->history, sentence) < 0)
        return cannot(sentence[0] ? sentence : "the log cannot be opened");
    return answer(c);
}

static int usage(void)
{
    return cannot(
        "usage: prefix-check --log FILE [--acked | --hardened] [--torn] [--initial FILE]… "
        "[--json] IMAGE…");
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "log", required_argument, NULL, 'l' },
                                             { "acked", no_argument, NULL, 'a' },
                                             { "hardened", no_argument, NULL, 'h' },
                                             { "torn", no_argument, NULL, 't' },
                                             { "initial", required_argument, NULL, 'i' },
                                             { "json", no_argument, NULL, 'j' },
                                             { 0 } };
    struct check c = { 0 };

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'l':
            c.log = optarg;
            break;
        case 'a':
        case 'h':
            c.demand = o == 'a' ? DEMAND_ACKED : DEMAND_HARDENED;
            break;
        case 't':
            c.torn = true;
            break;
        case 'j':
            c.json = true;
            break;
        case 'i':
            if (c.initials < HISTORY_DISKS) {
                c.initial[c.initials++] = optarg;
                break;
            }
            return usage();
        default:
            return usage();
        }
    if (!c.log || argc == optind || argc - optind > HISTORY_DISKS)
        return usage();
    for (int i = optind; i < argc; i++)
        c.image[c.images++] = argv[i];
    int status = check(&c);
    history_free(&c.history);
    for (unsigned i = 0; i < c.images; i++)
        free(c.seen[i]);
    return status;
}
