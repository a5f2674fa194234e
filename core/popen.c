/* SPDX-License-Identifier: MIT */
/* Starting programs, and the life of the object that stands for one. */
#include "popen.h"

#include "descendants.h"
#include "runtime.h"
#include "thread.h"

#include <stdlib.h>
#include <string.h>

/* ---- children that were detached: reaped at later starts, so that they do not stay zombies ---- */

struct detached {
    struct detached *next;
    struct mproc_plat_process process;
    int64_t owner;
};
static struct detached *detached_list;

static void reap_detached(void)
{
    struct mproc_plat_status status;
    int64_t self = mproc_plat_pid();
    mproc__lock();
    for (struct detached **link = &detached_list; *link;) {
        struct detached *one = *link;
        bool is_own = one->owner == self;
        if (is_own && !mproc_plat_process_reap(&one->process, &status)) {
            link = &one->next;
            continue;
        }
        *link = one->next;
        /* In a forked process it is the parent's, and its watch need not be there. */
        if (is_own)
            mproc_plat_process_forget(&one->process);
        else
            mproc_plat_process_forked(&one->process);
        free(one);
    }
    mproc__unlock();
}

/* ---- the streams of a child that is about to start ---- */

struct plan {
    const mproc_popen_options *options;
    mproc_popen *child;
    struct mproc_plat_launch launch;
    mproc_plat_handle opened[8]; /* to be closed here after the start */
    size_t opened_count;
    mproc_plat_handle terminal; /* our side */
};

static mproc_plat_handle opened(struct plan *plan, mproc_plat_handle handle)
{
    plan->opened[plan->opened_count++] = handle;
    return handle;
}

static const mproc_stream *stream_of(const mproc_popen_options *options, int number)
{
    const mproc_stream *streams[] = { &options->standard_input, &options->standard_output,
                                      &options->standard_error };
    return streams[number];
}

static const char *const stream_names[] = { "standard_input", "standard_output", "standard_error" };

static mproc_err wrong_kind(int number)
{
    return mproc__fail(MPROC_EINVAL, "%s cannot be of kind %s", stream_names[number],
                       number == 0 ? "MPROC_STREAM_STDOUT or MPROC_STREAM_PIPELINE: use "
                                     "MPROC_STREAM_CHILD to read from another child"
                                   : "MPROC_STREAM_CHILD, and only standard_error of kind "
                                     "MPROC_STREAM_STDOUT");
}

static mproc_err plan_path(struct plan *plan, int number, const mproc_stream *stream)
{
    mproc_plat_handle handle;
    if (stream->kind != MPROC_STREAM_NULL && !stream->path)
        return mproc__fail(MPROC_EINVAL, "%s is to be a file but its path is NULL",
                           stream_names[number]);
    mproc_err err;
    if (stream->kind == MPROC_STREAM_PATH && number != 0)
        err = mproc_plat_file_create(stream->path, &handle);
    else
        err = mproc_plat_stdio_open(number, stream->kind == MPROC_STREAM_NULL ? NULL : stream->path,
                                    &handle);
    if (err == MPROC_OK)
        plan->launch.standard[number] = opened(plan, handle);
    return err;
}

static mproc_err plan_pipe(struct plan *plan, int number)
{
    struct popen_end *end = &plan->child->ends[number];
    mproc_plat_handle childs;
    mproc_err err = mproc_plat_stream_pipe(number == 0, plan->options->pipe_size, &end->stream, &childs);
    if (err == MPROC_OK)
        plan->launch.standard[number] = opened(plan, childs);
    end->was_pipe = true;
    return err;
}

static mproc_err plan_pipeline(struct plan *plan, int number)
{
    mproc_plat_handle reader, writer;
    mproc_err err = mproc_plat_pipeline(plan->options->pipe_size, &reader, &writer);
    if (err != MPROC_OK)
        return err;
    plan->child->ends[number].pipeline = reader;
    plan->launch.standard[number] = opened(plan, writer);
    return MPROC_OK;
}

static struct popen_end *pipeline_of(const mproc_popen *other)
{
    for (int i = 1; other && i < 3; i++)
        if (other->ends[i].pipeline != MPROC_PLAT_NONE)
            return (struct popen_end *) &other->ends[i];
    return NULL;
}

static mproc_err plan_child(struct plan *plan, const mproc_stream *stream)
{
    const struct popen_end *end = pipeline_of(stream->child);
    if (!end)
        return mproc__fail(MPROC_EINVAL,
                           "standard_input is to come from a child that has no pipe to give away: start "
                           "that one with standard_output of kind MPROC_STREAM_PIPELINE, and use it once");
    plan->launch.standard[0] = end->pipeline;
    return MPROC_OK;
}

static mproc_err plan_terminal(struct plan *plan, int number)
{
    mproc_err err = MPROC_OK;
    if (plan->launch.terminal == MPROC_PLAT_NONE) {
        unsigned rows = plan->options->terminal_rows, columns = plan->options->terminal_columns;
        err = mproc_plat_terminal_open(rows ? rows : 24, columns ? columns : 80, &plan->terminal,
                                       &plan->launch.terminal);
        if (err != MPROC_OK)
            return err;
        opened(plan, plan->terminal);
        opened(plan, plan->launch.terminal);
    }
    plan->launch.standard[number] = plan->launch.terminal;
    plan->child->ends[number].was_pipe = true;
    /* stderr comes out where stdout does: one reader. */
    if (number == 2 && plan->launch.standard[1] == plan->launch.terminal)
        return MPROC_OK;
    return mproc_plat_terminal_stream(plan->terminal, number == 0, &plan->child->ends[number].stream);
}

static mproc_err plan_stream(struct plan *plan, int number)
{
    const mproc_stream *stream = stream_of(plan->options, number);
    switch (stream->kind) {
    case MPROC_STREAM_INHERIT:
        return MPROC_OK;
    case MPROC_STREAM_PIPE:
        return plan_pipe(plan, number);
    case MPROC_STREAM_NULL:
    case MPROC_STREAM_PATH:
    case MPROC_STREAM_APPEND:
        return plan_path(plan, number, stream);
    case MPROC_STREAM_STDOUT:
        if (number != 2)
            return wrong_kind(number);
        plan->launch.standard[2] = plan->launch.standard[1] == MPROC_PLAT_NONE
                                       ? mproc_plat_stdio_own(1)
                                       : plan->launch.standard[1];
        return plan->launch.standard[2] != MPROC_PLAT_NONE
                   ? MPROC_OK
                   : mproc__fail(MPROC_EINVAL, "stderr is to go where stdout goes, but this process has no stdout");
    case MPROC_STREAM_NATIVE:
        plan->launch.standard[number] = stream->native;
        return mproc_plat_handle_check(stream->native);
    case MPROC_STREAM_PIPELINE:
        return number != 0 ? plan_pipeline(plan, number) : wrong_kind(number);
    case MPROC_STREAM_CHILD:
        return number == 0 ? plan_child(plan, stream) : wrong_kind(number);
    case MPROC_STREAM_TERMINAL:
        return plan_terminal(plan, number);
    }
    return mproc__fail(MPROC_EINVAL, "%s has the unknown kind %d", stream_names[number],
                       (int) stream->kind);
}

/* ---- starting ---- */

static mproc_err check_options(const mproc_popen_options *options, const char *const *argv)
{
    static const mproc_popen_options none;
    if (!argv || !argv[0])
        return mproc__fail(MPROC_EINVAL, "argv is empty; it names the program and its arguments");
    if (memcmp(options->reserved, none.reserved, sizeof none.reserved) != 0)
        return mproc__fail(MPROC_EINVAL, "reserved members of mproc_popen_options are not zero; "
                                         "initialise the struct with { 0 }");
    if (options->inherit_count > 0 && !options->inherit)
        return mproc__fail(MPROC_EINVAL, "inherit is NULL but inherit_count is not 0");
    if (options->process_group < 0 || (options->process_group > 0 && options->new_process_group) ||
        (options->new_session && (options->new_process_group || options->process_group > 0)))
        return mproc__fail(MPROC_EINVAL, "process_group, new_process_group and new_session exclude each "
                                         "other, and a group is a positive number");
    if (options->terminal_rows > 65535 || options->terminal_columns > 65535)
        return mproc__fail(MPROC_EINVAL, "a terminal has at most 65535 rows and columns");
    for (size_t i = 0; i < options->inherit_count; i++) {
        mproc_err err = mproc_plat_handle_check(options->inherit[i]);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

/* Before mproc_init(), or without it. */
static mproc_err make_ready(void)
{
    static atomic_bool ready;
    if (mproc__is_initialized() || atomic_load(&ready))
        return MPROC_OK;
    mproc_err err = mproc_plat_start();
    if (err == MPROC_OK)
        atomic_store(&ready, true);
    return err;
}

static void release(mproc_popen *child)
{
    for (int i = 0; i < 3; i++) {
        mproc__popen_close_end(&child->ends[i]);
        mproc__bytes_free(&child->ends[i].bytes);
    }
    free(child->kept_input);
    free(child);
}

static mproc_err launch(struct plan *plan, const char *const *argv)
{
    mproc_popen *child = plan->child;
    mproc_err err = MPROC_OK;
    for (int i = 0; i < 3 && err == MPROC_OK; i++)
        err = plan_stream(plan, i);
    plan->launch.argv = argv;
    plan->launch.options = plan->options;
    /* What was printed here before is to come before what the child prints. */
    if (plan->options->standard_output.kind == MPROC_STREAM_INHERIT ||
        plan->options->standard_error.kind == MPROC_STREAM_INHERIT)
        mproc_plat_stdio_flush(mproc__is_alone());
    if (err == MPROC_OK)
        err = mproc_plat_launch(&plan->launch, &child->process, &child->job);
    for (size_t i = 0; i < plan->opened_count; i++)
        mproc_plat_handle_close(plan->opened[i]);
    const mproc_stream *input = &plan->options->standard_input;
    if (err == MPROC_OK && input->kind == MPROC_STREAM_CHILD)
        mproc__popen_close_end(pipeline_of(input->child));
    return err;
}

mproc_err mproc_popen_start(mproc_popen **child, const char *const *argv,
                            const mproc_popen_options *options)
{
    static const mproc_popen_options defaults;
    options = options ? options : &defaults;
    if (!child)
        return mproc__fail(MPROC_EINVAL, "child is NULL; pass the address of an mproc_popen *");
    mproc_err err = check_options(options, argv);
    if (err == MPROC_OK)
        err = make_ready();
    if (err != MPROC_OK)
        return err;
    err = mproc__take_along();
    if (err != MPROC_OK)
        return err;
    reap_detached();
    mproc_popen *made = calloc(1, sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory to start a program; free some");
    made->owner = mproc_plat_pid();
    made->text = options->text;
    for (int i = 0; i < 3; i++)
        made->ends[i].pipeline = MPROC_PLAT_NONE;
    struct plan plan = { .options = options, .child = made, .terminal = MPROC_PLAT_NONE };
    plan.launch.terminal = MPROC_PLAT_NONE;
    for (int i = 0; i < 3; i++)
        plan.launch.standard[i] = MPROC_PLAT_NONE;
    err = launch(&plan, argv);
    if (err != MPROC_OK) {
        release(made);
        return err;
    }
    made->leads_session = options->new_session || plan.launch.terminal != MPROC_PLAT_NONE;
    made->leads_group = options->new_process_group;
    *child = made;
    return MPROC_OK;
}

/* ---- its end ---- */

mproc_err mproc__popen_check(const mproc_popen *child)
{
    if (!child)
        return mproc__fail(MPROC_EINVAL, "the child is NULL; start it with mproc_popen_start()");
    if (child->owner != mproc_plat_pid())
        return mproc__fail(MPROC_ESTATE, "process %lld was started by process %lld; only that one may use "
                                         "it",
                           (long long) child->process.pid, (long long) child->owner);
    return MPROC_OK;
}

bool mproc__popen_ended(mproc_popen *child)
{
    if (atomic_load(&child->ended))
        return true;
    mproc__lock();
    if (!atomic_load(&child->ended) && mproc_plat_process_reap(&child->process, &child->status))
        atomic_store(&child->ended, true);
    mproc__unlock();
    return atomic_load(&child->ended);
}

mproc_err mproc__popen_wait(mproc_popen *child, int64_t deadline)
{
    const struct mproc_plat_process *process = &child->process;
    while (!atomic_load(&child->ended)) {
        size_t index;
        mproc_err err = mproc_plat_process_watch(&process, 1, deadline, &index);
        if (mproc__popen_ended(child))
            break;
        if (err == MPROC_ETIMEDOUT)
            return mproc__fail(err, "process %lld still runs", (long long) child->process.pid);
        if (err != MPROC_OK)
            return err;
    }
    return MPROC_OK;
}

mproc_err mproc__popen_result(const mproc_popen *child, int *returncode)
{
    if (!atomic_load(&child->ended))
        return mproc__fail(MPROC_ESTATE, "process %lld has not been seen to end: wait for it first",
                           (long long) child->process.pid);
    if (!child->status.known)
        return mproc__fail(MPROC_EDIED, "process %lld has ended, and nobody can tell how: its status was "
                                        "waited for elsewhere, or SIGCHLD is ignored",
                           (long long) child->process.pid);
    *returncode = child->status.signalled ? -child->status.code : child->status.code;
    return MPROC_OK;
}

mproc_err mproc_popen_pid(mproc_popen *child, int64_t *pid)
{
    if (!child || !pid)
        return mproc__fail(MPROC_EINVAL, "child or pid is NULL");
    *pid = child->process.pid;
    return MPROC_OK;
}

mproc_err mproc_popen_poll(mproc_popen *child, bool *ended)
{
    mproc_err err = mproc__popen_check(child);
    if (err == MPROC_OK && !ended)
        err = mproc__fail(MPROC_EINVAL, "ended is NULL; it is where the answer goes");
    if (err == MPROC_OK)
        *ended = mproc__popen_ended(child);
    return err;
}

mproc_err mproc_popen_wait(mproc_popen *child, mproc_ms timeout)
{
    mproc_err err = mproc__popen_check(child);
    return err == MPROC_OK ? mproc__popen_wait(child, mproc__deadline(timeout)) : err;
}

mproc_err mproc_popen_returncode(mproc_popen *child, int *returncode)
{
    if (!child || !returncode)
        return mproc__fail(MPROC_EINVAL, "child or returncode is NULL");
    return mproc__popen_result(child, returncode);
}

mproc_err mproc_popen_usage(mproc_popen *child, mproc_usage *usage)
{
    int returncode;
    if (!child || !usage)
        return mproc__fail(MPROC_EINVAL, "child or usage is NULL");
    mproc_err err = mproc__popen_result(child, &returncode);
    if (err == MPROC_OK)
        *usage = child->status.usage;
    return err;
}

mproc_err mproc_popen_sentinel(mproc_popen *child, intptr_t *native)
{
    mproc_err err = mproc__popen_check(child);
    if (err == MPROC_OK && !native)
        err = mproc__fail(MPROC_EINVAL, "native is NULL; it is where the descriptor goes");
    if (err == MPROC_OK && !mproc_plat_watch_is_exact())
        err = mproc__fail(MPROC_ENOTSUP, "this system has nothing that becomes ready when a program ends; "
                                         "use mproc_popen_wait()");
    if (err == MPROC_OK)
        *native = child->process.watch;
    return err;
}

/* ---- letting go ---- */

static void close_ends(mproc_popen *child)
{
    for (int i = 0; i < 3; i++)
        mproc__popen_close_end(&child->ends[i]);
}

mproc_err mproc_popen_close(mproc_popen *child)
{
    if (!child)
        return MPROC_OK;
    mproc_err err = mproc__popen_check(child);
    if (err != MPROC_OK)
        return err;
    close_ends(child);
    err = mproc__popen_wait(child, MPROC_PLAT_NEVER);
    if (err != MPROC_OK)
        return err;
    mproc_plat_process_forget(&child->process);
    mproc_plat_handle_close(child->job);
    release(child);
    return MPROC_OK;
}

mproc_err mproc_popen_detach(mproc_popen *child)
{
    mproc_err err = mproc__popen_check(child);
    if (err != MPROC_OK)
        return err;
    close_ends(child);
    struct detached *one = mproc__popen_ended(child) ? NULL : malloc(sizeof *one);
    if (one) {
        *one = (struct detached){ .process = child->process, .owner = child->owner };
        mproc__lock();
        one->next = detached_list;
        detached_list = one;
        mproc__unlock();
    } else if (!atomic_load(&child->ended)) {
        return mproc__fail(MPROC_ENOMEM, "no memory to remember a detached child; free some");
    } else {
        mproc_plat_process_forget(&child->process);
    }
    mproc_plat_handle_close(child->job);
    release(child);
    return MPROC_OK;
}
