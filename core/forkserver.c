/* SPDX-License-Identifier: MIT */
/* The forkserver: a template process, started afresh and single-threaded, that forks the children of
 * one process. Killed, it is started again by the next start. */
#include "start.h"

#include "compiler.h"
#include "children.h"
#include "finalize.h"
#include "function.h"
#include "log.h"
#include "mutex.h"
#include "runtime.h"
#include "self.h"
#include "thread.h"

#include <string.h>

enum { MOST_TRIES = 3 }; /* of one start, if its template is killed each time */

static struct mutex mutex;
static struct mproc_plat_template server;
static atomic_bool running;
static atomic_bool is_there; /* from before its start on: a child that the host forks has copies of what `server` has */
static process_token server_token;
static mproc_warmup *warmup;
static bool exit_hooked; /* in a template, for its children */

bool mproc__template_lock_is_mine(void)
{
    return mproc__mutex_is_mine(&mutex);
}

void mproc__template_lock(void)
{
    mproc__mutex_lock(&mutex);
}

void mproc__template_unlock(void)
{
    mproc__mutex_unlock(&mutex);
}

mproc_err mproc__template_set_warmup(mproc_warmup *function)
{
    mproc__template_lock();
    bool late = running;
    if (!late)
        warmup = function;
    mproc__template_unlock();
    return late ? mproc__fail(MPROC_ESTATE, "the forkserver has begun: set its warm-up before the first start by "
                                            "forkserver")
                : MPROC_OK;
}

MPROC_IN_CHILD void mproc__template_forked(void)
{
    mproc__mutex_forked(&mutex);
    if (is_there)
        mproc_plat_template_forked(&server);
    running = is_there = false;
}

static void forget(void)
{
    mproc_plat_template_stop(&server);
    mproc__slot_release(server_token); /* and its record */
    running = is_there = false;
}

MPROC_IN_CHILD void mproc__template_end(void)
{
    if (!running)
        return;
    mproc__template_lock();
    if (running)
        forget();
    mproc__template_unlock();
}

int64_t mproc__template_pid(void)
{
    return running ? server.process.pid : 0;
}

/* ---- starting the template ---- */

static mproc_err never_serves(uint32_t phase, bool gone)
{
    if (phase == PHASE_WARMING)
        return mproc__fail(MPROC_ESTATE, "the forkserver's template ended in its warm-up: run that function by itself "
                                        "to see why");
    return mproc__fail(MPROC_ENOGUARD, "the forkserver's template %s without reaching mproc_init(): make it the first "
                                       "statement of main",
                       gone ? "ended" : "ran too long");
}

/* Waits until it serves, so that a missing guard or a bad warm-up is this start's error. A warm-up may take
 * as long as it likes. */
static mproc_err await(struct record *record)
{
    int64_t deadline = mproc_plat_now() + mproc__guard_timeout();
    const struct mproc_plat_process *process = &server.process;
    for (;;) {
        uint32_t phase = atomic_load(&record->phase);
        if (phase == PHASE_GUARDED)
            return MPROC_OK;
        if (phase == PHASE_REFUSED)
            return mproc__fail((mproc_err) atomic_load(&record->refusal), "%s", record->message);
        int64_t now = mproc_plat_now();
        size_t index;
        bool gone = mproc_plat_process_watch(&process, 1, 0, &index) == MPROC_OK;
        if (gone && atomic_load(&record->phase) != phase)
            continue;
        if (gone || (phase == PHASE_CREATED && now >= deadline))
            return never_serves(phase, gone);
        mproc_plat_park(&record->phase, phase, now + INT64_C(20000000));
    }
}

static mproc_err start_template(void)
{
    struct start_plan plan = { .method = MPROC_START_SPAWN, .is_template = true };
    memcpy(&plan.function, &warmup, sizeof plan.function);
    mproc__lock();
    mproc_err err = mproc__plan_make(&plan, NULL);
    mproc__unlock();
    if (err != MPROC_OK)
        return err;
    char boot[BOOT_SIZE];
    mproc_plat_handle keep[4];
    struct mproc_plat_spawn spawn;
    mproc__plan_spawn(&plan, boot, keep, &spawn);
    server.control = server.handed = server.process.watch = MPROC_PLAT_NONE;
    is_there = true;
    err = mproc_plat_template_start(&spawn, &server);
    mproc__plan_close(&plan);
    if (err != MPROC_OK) {
        is_there = false;
        mproc__plan_undo(&plan);
        return err;
    }
    mproc__slot_occupy(plan.token, server.process.pid);
    server_token = plan.token;
    err = await(plan.record);
    if (err != MPROC_OK) {
        forget();
        return err;
    }
    running = true;
    mproc_log(MPROC_LOG_DEBUG, "the forkserver's template serves (pid %lld)",
              (long long) server.process.pid);
    return MPROC_OK;
}

/* ---- a start by it ---- */

/* The template's own stdin is the null device, as most children's is. */
static size_t collect_streams(struct start_plan *plan, mproc_plat_handle *handles)
{
    size_t count = 0;
    for (int stream = plan->null_input ? 1 : 0; stream < 3; stream++) {
        mproc_plat_handle handle = plan->standard[stream];
        if (handle == MPROC_PLAT_NONE)
            handle = mproc_plat_stdio_own(stream);
        if (handle == MPROC_PLAT_NONE) {
            plan->record->lacks |= 1u << stream;
            continue;
        }
        handles[count++] = handle;
        plan->record->carries |= 1u << stream;
    }
    return count;
}

/* All that the request is to carry; `running` is true. */
static mproc_err collect_handles(struct start_plan *plan, mproc_plat_handle *handles, size_t *collected)
{
    plan->record->carries = plan->record->lacks = 0;
    size_t count = collect_streams(plan, handles);
    /* The child's folder is its parent's, where the template may not be. */
    if (plan->folder == MPROC_PLAT_NONE && !mproc_plat_template_shares_folder(&server)) {
        mproc_err err = mproc_plat_folder_open(".", &plan->folder);
        if (err != MPROC_OK)
            return err;
    }
    if (plan->folder != MPROC_PLAT_NONE) {
        handles[count++] = plan->folder;
        plan->record->carries |= CARRIES_FOLDER;
    }
    for (size_t i = 0; i < plan->options.inherit_count; i++)
        handles[count++] = plan->options.inherit[i];
    *collected = count;
    return MPROC_OK;
}

static mproc_err request(struct start_plan *plan, struct mproc_plat_process *process)
{
    mproc_plat_handle handles[MPROC_PLAT_TEMPLATE_HANDLES];
    size_t count;
    mproc_err err = running ? MPROC_OK : start_template();
    if (err == MPROC_OK)
        err = collect_handles(plan, handles, &count);
    if (err == MPROC_OK)
        err = mproc_plat_template_request(&server, plan->record_handle, handles, count, process);
    return err;
}

/* It died between its fork and its answer, and the child has begun: a second one would run the target twice. Slot and
 * record stay that child's, as what it holds would otherwise be taken for a dead process's. */
static mproc_err let_go(struct start_plan *plan)
{
    mproc__slot_let_go(plan->token);
    plan->token = 0;
    return mproc__fail(MPROC_EDIED, "the forkserver's template was killed while it started %s, which may be running; "
                                    "start it again if it may run twice",
                       plan->name);
}

mproc_err mproc__template_fork(struct start_plan *plan, struct mproc_plat_process *process)
{
    mproc__template_lock();
    mproc_err err = request(plan, process);
    for (int tries = 1; err == MPROC_EDIED; tries++) {
        if (running)
            forget();
        if (!mproc__record_abandon(plan->record, plan->token)) {
            err = let_go(plan);
            break;
        }
        if (tries == MOST_TRIES)
            break;
        mproc_log(MPROC_LOG_WARNING, "the forkserver's template was killed; starting another");
        err = mproc__record_copy(&plan->record_handle, &plan->record);
        if (err == MPROC_OK)
            err = request(plan, process);
    }
    mproc__template_unlock();
    return err;
}

/* ---- in the template ---- */

/* What the request carried, in collect_handles()'s order. */
MPROC_IN_CHILD static mproc_err take_handles(struct record *record, const mproc_plat_handle *handles,
                                             size_t count)
{
    size_t at = 0;
    mproc_plat_handle standard[3];
    for (int stream = 0; stream < 3; stream++)
        standard[stream] = record->carries & 1u << stream && at < count ? handles[at++] : MPROC_PLAT_NONE;
    mproc_err err = mproc_plat_stdio_replace(standard);
    for (int stream = 0; stream < 3; stream++) {
        if (standard[stream] != MPROC_PLAT_NONE)
            mproc_plat_handle_close(standard[stream]);
        if (record->lacks & 1u << stream)
            mproc_plat_handle_close(mproc_plat_stdio_own(stream));
    }
    if (err == MPROC_OK && record->carries & CARRIES_FOLDER && at < count) {
        err = mproc_plat_folder_enter(handles[at]);
        mproc_plat_handle_close(handles[at++]);
    }
    const intptr_t *numbers = mproc__record_bytes(record, record->inherit);
    if (err == MPROC_OK && numbers)
        err = mproc_plat_handles_place(handles + at, numbers, record->inherit.size / sizeof *numbers);
    return err;
}

/* What a template finds out for the child that it is about to fork: all that needs nothing of the
 * child's. On its stack, a page that is written to anyway. */
struct prepared {
    struct record *record;
    process_token token; /* read while its starter waits: later the block may hold another child's record */
    mproc_err refusal;
    void (*function)(void);
};

static void prepare_child(void *context, uint64_t handle)
{
    struct prepared *next = context;
    *next = (struct prepared){ .record = mproc__arena_near(BLOCK_RECORD, handle) };
    if (!next->record)
        return;
    next->token = next->record->token;
    next->refusal = mproc__record_check(next->record, mproc__arena_size(BLOCK_RECORD, handle));
    if (next->refusal != MPROC_OK)
        return;
    mproc__inherit_settings(next->record);
    mproc__find_known_target(next->record, &next->function);
}

MPROC_IN_CHILD MPROC_NORETURN static void begin_child(const struct prepared *prepared,
                                                      const mproc_plat_handle *handles, size_t count,
                                                      mproc_plat_handle lifeline)
{
    struct record *record = prepared->record;
    if (!record || !mproc__record_claim(record, prepared->token))
        mproc_plat_exit_now(255);
    if (prepared->refusal != MPROC_OK)
        mproc__record_refuse(record, prepared->refusal);
    /* Alone, so without the mutex. */
    mproc__children_forked();
    mproc__finalizers_forked();
    mproc__become_child(PROCESS_FORKED, record, lifeline);
    if (!exit_hooked)
        mproc__finish_at_exit();
    mproc_err err = take_handles(record, handles, count);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);
    mproc__child_enter(record, prepared->function);
}

static mproc_err warm_up(struct record *record)
{
    if (record->function_offset == 0)
        return MPROC_OK;
    void (*function)(void);
    mproc_err err = mproc__find_target(record, &function);
    if (err != MPROC_OK)
        return err;
    mproc__record_advance(record, PHASE_WARMING);
    function();
    int threads = mproc_plat_thread_count();
    if (threads > 1)
        return mproc__fail(MPROC_ESTATE,
                           "the forkserver's warm-up left %d threads running: a fork would lose them; "
                           "join them before it returns",
                           threads - 1);
    return MPROC_OK;
}

void mproc__template_run(struct record *record, mproc_plat_handle control,
                         mproc_plat_handle lifeline)
{
    mproc_err err = warm_up(record);
    if (err != MPROC_OK)
        mproc__record_refuse(record, err);
    mproc_plat_stdio_flush(mproc__is_alone());
    mproc__record_advance(record, PHASE_GUARDED);

    exit_hooked = mproc__finish_in_template();
    struct prepared next;
    const mproc_plat_handle *handles;
    size_t count;
    mproc_plat_template_serve(control, prepare_child, &next, &handles, &count);
    begin_child(&next, handles, count, lifeline);
}
