/* SPDX-License-Identifier: MIT */
/* 100 processes print a line each, in pieces and all at the same time; a lock keeps the pieces of a line
 * together. */
#include <mproc.h>

#include <stdio.h>

enum { PROCESSES = 100, PAUSE = 1 };

struct job {
    int number;
    mproc_lock lock;
    mproc_barrier all_here;
};

static void print_piece(const char *piece)
{
    fputs(piece, stdout);
    fflush(stdout); /* inside the lock, or it would be written after the release */
    mproc_sleep(PAUSE);
}

static int print_line(void *arg)
{
    const struct job *job = arg;
    char number[16];
    snprintf(number, sizeof number, "%d", job->number);
    MPROC_MUST(mproc_barrier_wait(job->all_here, NULL, MPROC_FOREVER));

    MPROC_MUST(mproc_lock_acquire(job->lock, MPROC_FOREVER));
    print_piece("process ");
    print_piece(number);
    print_piece(" prints a line ");
    print_piece("in pieces\n");
    MPROC_MUST(mproc_lock_release(job->lock));
    return 0;
}

int main(void)
{
    mproc_init();

    struct job job;
    mproc_process *processes[PROCESSES];
    MPROC_MUST(mproc_lock_create(&job.lock));
    MPROC_MUST(mproc_barrier_create(&job.all_here, PROCESSES));
    for (job.number = 0; job.number < PROCESSES; job.number++)
        MPROC_MUST(mproc_process_start(&processes[job.number], print_line, &job, sizeof job, NULL));
    for (int i = 0; i < PROCESSES; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }
    MPROC_MUST(mproc_barrier_destroy(job.all_here));
    MPROC_MUST(mproc_lock_destroy(job.lock));
    return 0;
}
