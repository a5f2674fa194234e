/* SPDX-License-Identifier: MIT */
/* Feeding a child's stdin and collecting its output at the same time. */
#include "popen.h"

#include "runtime.h"

#include <stdlib.h>
#include <string.h>

/* Less room than this is not worth a system call. */
#define LEAST_ROOM 16384
/* After a time-out no more than this is taken from pipes that others may go on filling. */
#define MOST_DRAINED (UINT64_C(4) << 20)

/* Rounds after the deadline that take what is there already. */
#define MOST_LATE 8

struct round {
    struct mproc_plat_transfer transfers[3];
    struct popen_end *ends[3];
    size_t count;
};

static mproc_err prepare(mproc_popen *child, bool with_input, struct round *round)
{
    round->count = 0;
    for (int i = with_input ? 0 : 1; i < 3; i++) {
        struct popen_end *end = &child->ends[i];
        struct mproc_plat_transfer *transfer = &round->transfers[round->count];
        if (!end->stream)
            continue;
        *transfer = (struct mproc_plat_transfer){ .stream = end->stream };
        if (i == 0) {
            transfer->data = child->input;
            transfer->size = child->input_size;
        } else {
            mproc_err err = mproc__bytes_reserve(&end->bytes, LEAST_ROOM);
            if (err != MPROC_OK)
                return err;
            transfer->buffer = end->bytes.data + end->bytes.end;
            transfer->size = end->bytes.capacity - end->bytes.end - 1;
        }
        round->ends[round->count++] = end;
    }
    return MPROC_OK;
}

static void note(mproc_popen *child, struct popen_end *end, const struct mproc_plat_transfer *transfer)
{
    bool over = transfer->ended;
    if (end == &child->ends[MPROC_STDIN]) {
        if (transfer->done > 0)
            child->input += transfer->done;
        child->input_size -= transfer->done;
        over = over || (child->input_size == 0 && transfer->drained);
    } else {
        end->bytes.end += transfer->done;
        end->at_end = transfer->ended;
    }
    if (over)
        mproc__popen_close_end(end);
}

static mproc_err not_in_time(const mproc_popen *child)
{
    return mproc__fail(MPROC_ETIMEDOUT, "process %lld has not closed its streams in time",
                       (long long) child->process.pid);
}

mproc_err mproc__communicate(mproc_popen *child, int64_t deadline)
{
    struct round round;
    int late = 0;
    for (;;) {
        mproc_err err = prepare(child, true, &round);
        if (err == MPROC_OK && round.count > 0)
            err = mproc_plat_stream_transfer(round.transfers, round.count, deadline);
        if (err == MPROC_ETIMEDOUT)
            return not_in_time(child);
        if (err != MPROC_OK)
            return err;
        if (round.count == 0)
            return mproc__popen_wait(child, deadline);
        for (size_t i = 0; i < round.count; i++)
            note(child, round.ends[i], &round.transfers[i]);
        /* A child that never stops writing is never waited for. */
        if (deadline != MPROC_PLAT_NEVER && deadline != 0 && mproc_plat_now() >= deadline)
            deadline = 0;
        if (deadline == 0 && ++late > MOST_LATE)
            return not_in_time(child);
    }
}

void mproc__communicate_drain(mproc_popen *child)
{
    struct round round;
    uint64_t taken = 0;
    mproc__popen_close_end(&child->ends[MPROC_STDIN]);
    while (taken < MOST_DRAINED && prepare(child, false, &round) == MPROC_OK && round.count > 0 &&
           mproc_plat_stream_transfer(round.transfers, round.count, 0) == MPROC_OK)
        for (size_t i = 0; i < round.count; i++) {
            taken += round.transfers[i].done;
            note(child, round.ends[i], &round.transfers[i]);
        }
    for (int i = 1; i < 3; i++)
        mproc__popen_close_end(&child->ends[i]);
}

mproc_err mproc__communicate_finish(mproc_popen *child, mproc_completed *completed)
{
    mproc_completed result = { 0 };
    mproc_err err = MPROC_OK;
    struct popen_end *output = &child->ends[MPROC_STDOUT], *error = &child->ends[MPROC_STDERR];
    if (output->was_pipe)
        err = mproc__bytes_take(&output->bytes, child->text, &result.output, &result.output_size,
                                &result.large_output);
    if (err == MPROC_OK && error->was_pipe)
        err = mproc__bytes_take(&error->bytes, child->text, &result.error, &result.error_size,
                                &result.large_error);
    if (err != MPROC_OK) {
        mproc_completed_free(&result);
        return err;
    }
    result.usage = child->status.usage;
    err = mproc__popen_result(child, &result.returncode);
    *completed = result;
    return err;
}

mproc_err mproc__communicate_keep(mproc_popen *child)
{
    if (child->kept_input || child->input_size == 0)
        return MPROC_OK;
    child->kept_input = malloc(child->input_size);
    if (!child->kept_input) {
        child->input_size = 0;
        return mproc__fail(MPROC_ENOMEM, "no memory to keep the input that was not sent in time");
    }
    memcpy(child->kept_input, child->input, child->input_size);
    child->input = child->kept_input;
    return MPROC_OK;
}

static mproc_err begin(mproc_popen *child, const void *input, size_t input_size)
{
    if (!input && input_size > 0)
        return mproc__fail(MPROC_EINVAL, "input is NULL but its size is not 0");
    if (!input || input_size == 0) {
        child->communicating = true;
        return MPROC_OK;
    }
    if (child->communicating)
        return mproc__fail(MPROC_ESTATE, "communication has begun: its rest of input has been kept, give "
                                         "no other");
    if (!child->ends[MPROC_STDIN].stream)
        return mproc__fail(MPROC_EINVAL, "there is input but stdin is no open pipe: start the program with "
                                         "standard_input of kind MPROC_STREAM_PIPE");
    child->communicating = true;
    child->input = input;
    child->input_size = input_size;
    return MPROC_OK;
}

mproc_err mproc_popen_communicate(mproc_popen *child, const void *input, size_t input_size,
                                  mproc_completed *completed, mproc_ms timeout)
{
    mproc_completed unwanted = { 0 };
    mproc_err err = mproc__popen_check(child);
    if (err == MPROC_OK)
        err = begin(child, input, input_size);
    if (err != MPROC_OK)
        return err;
    err = mproc__communicate(child, mproc__deadline(timeout));
    if (err != MPROC_OK) {
        mproc_err kept = mproc__communicate_keep(child);
        return kept == MPROC_OK ? err : kept;
    }
    child->communicating = false;
    err = mproc__communicate_finish(child, completed ? completed : &unwanted);
    mproc_completed_free(&unwanted);
    return err;
}

void mproc_completed_free(mproc_completed *completed)
{
    if (!completed)
        return;
    struct bytes output = { .data = completed->output, .capacity = completed->large_output,
                            .large = completed->large_output > 0 };
    struct bytes error = { .data = completed->error, .capacity = completed->large_error,
                           .large = completed->large_error > 0 };
    mproc__bytes_free(&output);
    mproc__bytes_free(&error);
    *completed = (mproc_completed){ 0 };
}
