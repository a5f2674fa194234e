/* SPDX-License-Identifier: MIT */
/* Running a program to its end in one call. */
#include "popen.h"

#include "runtime.h"

#include <stdio.h>
#include <string.h>

static mproc_err check_code(int returncode)
{
    if (returncode == 0)
        return MPROC_OK;
    char text[160];
    if (returncode > 0)
        return mproc__fail(MPROC_EEXITCODE, "the program ended with exit code %d", returncode);
    mproc_plat_signal_text(-returncode, text, sizeof text);
    return mproc__fail(MPROC_EEXITCODE, "the program was %s", text);
}

mproc_err mproc_check_returncode(const mproc_completed *completed)
{
    if (!completed)
        return mproc__fail(MPROC_EINVAL, "completed is NULL; pass what mproc_run() has filled");
    return check_code(completed->returncode);
}

/* The streams that input and capture_output ask for. */
static mproc_err choose_streams(const mproc_run_options *options, mproc_popen_options *start)
{
    static const mproc_run_options none;
    if (memcmp(options->reserved, none.reserved, sizeof none.reserved) != 0)
        return mproc__fail(MPROC_EINVAL, "reserved members of mproc_run_options are not zero; initialise "
                                         "the struct with { 0 }");
    if (!options->input && options->input_size > 0)
        return mproc__fail(MPROC_EINVAL, "input is NULL but its size is not 0");
    if (options->input && start->standard_input.kind != MPROC_STREAM_INHERIT &&
        start->standard_input.kind != MPROC_STREAM_PIPE &&
        start->standard_input.kind != MPROC_STREAM_TERMINAL)
        return mproc__fail(MPROC_EINVAL, "standard_input and input exclude each other; input makes a pipe");
    if (options->capture_output && (start->standard_output.kind != MPROC_STREAM_INHERIT ||
                                    start->standard_error.kind != MPROC_STREAM_INHERIT))
        return mproc__fail(MPROC_EINVAL, "standard_output or standard_error and capture_output exclude "
                                         "each other; capture_output makes pipes of both");
    if (options->input && start->standard_input.kind == MPROC_STREAM_INHERIT)
        start->standard_input.kind = MPROC_STREAM_PIPE;
    if (options->capture_output)
        start->standard_output.kind = start->standard_error.kind = MPROC_STREAM_PIPE;
    return MPROC_OK;
}

/* The child has not ended in time, or something is wrong here: it must not run on. */
static mproc_err give_up(mproc_popen *child, mproc_err err, mproc_completed *completed)
{
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s", mproc_last_error());
    if (mproc_popen_kill(child) == MPROC_OK && mproc__popen_wait(child, MPROC_PLAT_NEVER) == MPROC_OK) {
        mproc__communicate_drain(child);
        (void) mproc__communicate_finish(child, completed);
    }
    if (err == MPROC_ETIMEDOUT)
        return mproc__fail(err, "process %lld did not end in time and was killed",
                           (long long) child->process.pid);
    return mproc__fail(err, "%s", sentence);
}

mproc_err mproc_run(mproc_completed *completed, const char *const *argv,
                    const mproc_run_options *options, mproc_ms timeout)
{
    static const mproc_run_options defaults;
    options = options ? options : &defaults;
    mproc_completed result = { 0 };
    mproc_popen_options start = options->start;
    mproc_popen *child = NULL;
    mproc_err err = choose_streams(options, &start);
    if (err == MPROC_OK)
        err = mproc_popen_start(&child, argv, &start);
    if (err != MPROC_OK)
        return err;
    child->input = options->input;
    child->input_size = options->input_size;
    err = mproc__communicate(child, mproc__deadline(timeout));
    if (err == MPROC_OK)
        err = mproc__communicate_finish(child, &result);
    else
        err = give_up(child, err, &result);
    /* It runs on only if it may not be killed: another user's. */
    mproc_err closed = mproc__popen_ended(child) ? mproc_popen_close(child) : mproc_popen_detach(child);
    if (err == MPROC_OK)
        err = closed;
    if (err == MPROC_OK && options->check)
        err = check_code(result.returncode);
    if (completed)
        *completed = result;
    else
        mproc_completed_free(&result);
    return err;
}

mproc_err mproc_call(int *returncode, const char *const *argv, const mproc_popen_options *options,
                     mproc_ms timeout)
{
    mproc_run_options run = { .capture_output = false };
    mproc_completed completed = { 0 };
    if (options)
        run.start = *options;
    if (run.start.standard_output.kind == MPROC_STREAM_PIPE ||
        run.start.standard_error.kind == MPROC_STREAM_PIPE ||
        run.start.standard_input.kind == MPROC_STREAM_PIPE)
        return mproc__fail(MPROC_EINVAL, "nobody would use the pipes of mproc_call(); use mproc_run()");
    mproc_err err = mproc_run(&completed, argv, &run, timeout);
    if (returncode && (err == MPROC_OK || err == MPROC_ETIMEDOUT))
        *returncode = completed.returncode;
    mproc_completed_free(&completed);
    return err;
}

mproc_err mproc_check_call(const char *const *argv, const mproc_popen_options *options, mproc_ms timeout)
{
    int returncode = 0;
    mproc_err err = mproc_call(&returncode, argv, options, timeout);
    return err == MPROC_OK ? check_code(returncode) : err;
}

mproc_err mproc_check_output(mproc_completed *completed, const char *const *argv,
                             const mproc_run_options *options, mproc_ms timeout)
{
    mproc_run_options run = { .check = true };
    if (options)
        run = *options;
    if (!completed)
        return mproc__fail(MPROC_EINVAL, "completed is NULL; it is where the output goes");
    if (run.start.standard_output.kind != MPROC_STREAM_INHERIT || run.capture_output)
        return mproc__fail(MPROC_EINVAL, "mproc_check_output() sets standard_output itself; leave it and "
                                         "capture_output zero");
    run.start.standard_output.kind = MPROC_STREAM_PIPE;
    run.check = true;
    return mproc_run(completed, argv, &run, timeout);
}

mproc_err mproc_getstatusoutput(mproc_completed *completed, const char *command, mproc_ms timeout)
{
    if (!completed || !command)
        return mproc__fail(MPROC_EINVAL, "completed or command is NULL");
    mproc_run_options run = { .start = { .shell = true, .text = true } };
    run.start.standard_output.kind = MPROC_STREAM_PIPE;
    run.start.standard_error.kind = MPROC_STREAM_STDOUT;
    mproc_err err = mproc_run(completed, MPROC_ARGV(command), &run, timeout);
    if ((err == MPROC_OK || err == MPROC_ETIMEDOUT) && completed->output_size > 0 &&
        completed->output[completed->output_size - 1] == '\n')
        completed->output[--completed->output_size] = '\0';
    return err;
}
