/* SPDX-License-Identifier: MIT */
/* A queue of jobs that loses none, though workers are killed. A worker borrows a job and returns it when it has put
 * the result; what a dead one had borrowed goes to another. One job hangs at the first attempt, and its worker is
 * killed for it. */
#include <mproc.h>

#include <stdio.h>

enum { JOBS = 100, WORKERS = 3, UNLUCKY = 13, LONG_ENOUGH = 60000 };

struct work {
    int worker;
    mproc_queue jobs, results;
};

struct result {
    int job, worker;
    bool stuck;
};

static int do_jobs(void *arg)
{
    const struct work *work = arg;
    mproc_item item; /* the job, where it lies in shared memory */
    while (mproc_queue_borrow(work->jobs, &item, MPROC_FOREVER) == MPROC_OK) {
        struct result result = { .job = *(const int *) item.data, .worker = work->worker };
        result.stuck = result.job == UNLUCKY && item.deliveries == 0;
        MPROC_MUST(mproc_queue_put(work->results, &result, MPROC_FOREVER));
        if (result.stuck)
            mproc_sleep(MPROC_FOREVER);
        MPROC_MUST(mproc_queue_return(work->jobs, &item)); /* killed before this, it would be done twice */
    }
    return 0; /* the queue was closed */
}

static mproc_wait_item start_worker(mproc_process **process, struct work *work, int number)
{
    mproc_process_options options = { .daemon = true }; /* whatever happens, it does not outlive us */
    work->worker = number;
    MPROC_MUST(mproc_process_start(process, do_jobs, work, sizeof *work, &options));
    return mproc_wait_process(*process);
}

/* Ends it if it has not ended yet. */
static void replace_worker(mproc_process **process, struct work *work, int number, mproc_wait_item *item)
{
    char how[100];
    MPROC_MUST(mproc_process_kill(*process));
    MPROC_MUST(mproc_process_join(*process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_describe(*process, how, sizeof how));
    printf("worker %d: %s; another takes its place\n", number, how);
    MPROC_MUST(mproc_process_close(*process));
    *item = start_worker(process, work, number);
}

int main(void)
{
    mproc_init();

    struct work work;
    mproc_process *workers[WORKERS];
    mproc_wait_item items[1 + WORKERS];
    bool done[JOBS] = { false };
    MPROC_MUST(mproc_queue_create(&work.jobs, sizeof(int), 0));
    MPROC_MUST(mproc_queue_create(&work.results, sizeof(struct result), 0));
    for (int i = 0; i < JOBS; i++)
        MPROC_MUST(mproc_queue_put(work.jobs, &i, MPROC_FOREVER));
    items[0] = mproc_wait_queue(work.results);
    for (int i = 0; i < WORKERS; i++)
        items[1 + i] = start_worker(&workers[i], &work, i);

    for (int left = JOBS; left > 0;) {
        struct result result;
        MPROC_MUST(mproc_wait(items, 1 + WORKERS, NULL, LONG_ENOUGH));
        if (items[0].ready) {
            MPROC_MUST(mproc_queue_get(work.results, &result, MPROC_FOREVER));
            if (result.stuck)
                replace_worker(&workers[result.worker], &work, result.worker, &items[1 + result.worker]);
            else if (!done[result.job])
                left--;
            done[result.job] = done[result.job] || !result.stuck;
        }
        for (int i = 0; i < WORKERS; i++)
            if (items[1 + i].ready)
                replace_worker(&workers[i], &work, i, &items[1 + i]);
    }
    printf("all %d jobs are done, %d too\n", JOBS, UNLUCKY);

    MPROC_MUST(mproc_queue_close(work.jobs)); /* which ends the workers */
    for (int i = 0; i < WORKERS; i++) {
        MPROC_MUST(mproc_process_join(workers[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(workers[i]));
    }
    MPROC_MUST(mproc_queue_destroy(work.jobs));
    MPROC_MUST(mproc_queue_destroy(work.results));
    return 0;
}
