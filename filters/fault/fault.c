/* fault.c - how does a disk behave that is slow, broken, stuck or lying?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A request is chosen in down(); what happens to it then is the order of this file:
 * damage to the data, a torn or lost write, a crash, and last the answer (hold, delay,
 * error), which the option `after` moves behind the store. */
#include "fault.h"
#include "instant.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* in the order of the choices of `error` */
static const int error_numbers[] = { 0, EIO, ENOSPC, EPERM, ENOMEM, ESHUTDOWN, EINVAL, ENOTSUP };

static _Noreturn void crash(void)
{
    kill(getpid(), SIGKILL); /* as the OOM killer or `kill -9`: no handler, no flush */
    abort();
}

static void damage(struct weir_request *req, void *data)
{
    const struct fault_scratch *scratch = weir_scratch(req);
    struct fault_stats *counts = weir_stats(req);

    ((uint8_t *)data)[fault_mix(scratch->luck) % req->length] ^= 0xff;
    weir_add(&counts->corrupted, 1);
}

static enum weir_verdict answer(struct fault *f, struct weir_request *req, int error)
{
    const struct fault_config *config = weir_config(req);
    struct fault_scratch *scratch = weir_scratch(req);
    struct fault_stats *counts = weir_stats(req);

    if (!error)
        error = error_numbers[config->error];
    if (error)
        weir_add(&counts->errors, 1);
    if (config->hold && hold_add(&f->holds, &scratch->link, req, error))
        return WEIR_DEFER;
    if (config->delay || config->delay_jitter) {
        uint64_t jitter = fault_mix(~scratch->luck) % (config->delay_jitter + 1);

        weir_add(&counts->delayed, 1);
        scratch->delayed = true;
        scratch->error = error;
        if (error)
            req->error = error;
        weir_resume_at(req, now_ns() + config->delay + jitter, error ? WEIR_FAIL : WEIR_PASS);
        return WEIR_DEFER;
    }
    return error ? weir_fail(req, error) : WEIR_PASS;
}

/* Every line of this is a mistake that a filter must not make. */
static enum weir_verdict misbehave(struct fault *f, struct weir_request *req,
                                   enum fault_misbehave how)
{
    switch (how) {
    case MISBEHAVE_RESUME_TWICE:
        weir_resume(req, WEIR_PASS);
        weir_resume(req, WEIR_FAIL);
        return WEIR_DEFER;
    case MISBEHAVE_NEVER_RESUME:
        return WEIR_DEFER;
    case MISBEHAVE_RESUME_LATE:
        return hold_add_late(&f->holds, req) ? WEIR_DEFER : weir_fail(req, ENOMEM);
    case MISBEHAVE_RESUME_UNDEFERRED:
        weir_resume(req, WEIR_PASS);
        return WEIR_PASS;
    case MISBEHAVE_NONE:
        break;
    }
    return WEIR_PASS;
}

/* Stores the first bytes of a write, in whole blocks: what a power cut leaves. */
static int tear(struct fault *f, struct weir_request *req, uint64_t bytes)
{
    struct fault_stats *counts = weir_stats(req);
    struct weir_geometry geometry;

    weir_geometry(f->below, &geometry);
    if (geometry.block_min > 1)
        bytes -= bytes % geometry.block_min;
    if (bytes > req->length)
        bytes = req->length;
    weir_add(&counts->torn, 1);
    return bytes ? weir_write(f->below, req->data, bytes, req->offset, 0) : 0;
}

static bool can_lose(const struct weir_request *req)
{
    return (WEIR_CHANGES | WEIR_OP(WEIR_FLUSH)) & WEIR_OP(req->op);
}

enum weir_verdict fault_down(void *self, struct weir_request *req)
{
    struct fault *f = self;
    const struct fault_config *config = weir_config(req);
    struct fault_scratch *scratch = weir_scratch(req);
    struct fault_stats *counts = weir_stats(req);
    int error = 0;

    if (!fault_choose(&f->chooser, config, req, &scratch->luck))
        return WEIR_PASS;
    scratch->hit = true;
    weir_add(&counts->hits, 1);
    if (config->misbehave)
        return misbehave(f, req, (enum fault_misbehave)config->misbehave);
    if (config->corrupt && req->op == WEIR_WRITE) {
        if (!weir_bounce(req))
            return weir_fail(req, ENOMEM);
        damage(req, req->data);
    }
    if (config->torn && req->op == WEIR_WRITE) {
        error = -tear(f, req, config->torn);
        if (!error && !config->lose)
            error = error_numbers[config->error] ? error_numbers[config->error] : EIO;
    }
    if (config->crash == CRASH_BEFORE)
        crash();
    if (error)
        return answer(f, req, error);
    if (config->lose && can_lose(req)) {
        weir_add(&counts->lost, 1);
        return WEIR_COMPLETE;
    }
    return config->after ? WEIR_PASS : answer(f, req, 0);
}

enum weir_verdict fault_up(void *self, struct weir_request *req)
{
    const struct fault_config *config = weir_config(req);
    struct fault_scratch *scratch = weir_scratch(req);

    if (!scratch->hit)
        return WEIR_PASS;
    if (config->crash == CRASH_AFTER)
        crash();
    if (config->corrupt && req->op == WEIR_READ && !req->error)
        damage(req, req->data);
    return config->after ? answer(self, req, 0) : WEIR_PASS;
}

void fault_abort(void *self, struct weir_request *req)
{
    struct fault *f = self;
    struct fault_scratch *scratch = weir_scratch(req);

    if (!hold_release(&f->holds, &scratch->link) && scratch->delayed)
        weir_resume_at(req, 0, scratch->error ? WEIR_FAIL : WEIR_PASS);
}
