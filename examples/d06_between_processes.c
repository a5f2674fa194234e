/* SPDX-License-Identifier: MIT */
/* Condition, Event, Lock, RLock and Semaphore between processes, each used as between threads. */
#include <mproc.h>

#include <stdio.h>

enum { WORKERS = 4, ROUNDS = 10, PAUSE = 1 };

struct shared {
    mproc_condition changed;
    mproc_event start;
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_semaphore two;  /* at most two inside */
    mproc_memory numbers;
};

struct numbers { /* plain ints: the locks guard them */
    int here, started_early, by_lock, by_rlock, inside, most_inside;
    bool started;
};

static bool all_are_here(void *context)
{
    return ((struct numbers *) context)->here == WORKERS;
}

static void say_that_i_am_here(const struct shared *shared, struct numbers *numbers)
{
    MPROC_MUST(mproc_condition_acquire(shared->changed, MPROC_FOREVER));
    numbers->here++;
    MPROC_MUST(mproc_condition_notify_all(shared->changed));
    MPROC_MUST(mproc_condition_release(shared->changed));
}

static void add_one(int *number)
{
    int seen = *number;
    mproc_sleep(PAUSE); /* others would come in between */
    *number = seen + 1;
}

static void count(const struct shared *shared, struct numbers *numbers)
{
    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    add_one(&numbers->by_lock);
    MPROC_MUST(mproc_lock_release(shared->lock));

    MPROC_MUST(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER));
    MPROC_MUST(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER)); /* its owner may have it twice */
    add_one(&numbers->by_rlock);
    MPROC_MUST(mproc_rlock_release(shared->rlock));
    MPROC_MUST(mproc_rlock_release(shared->rlock));
}

static void go_through_the_narrow_place(const struct shared *shared, struct numbers *numbers)
{
    MPROC_MUST(mproc_semaphore_acquire(shared->two, MPROC_FOREVER));
    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    if (++numbers->inside > numbers->most_inside)
        numbers->most_inside = numbers->inside;
    MPROC_MUST(mproc_lock_release(shared->lock));

    mproc_sleep(PAUSE);
    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    numbers->inside--;
    MPROC_MUST(mproc_lock_release(shared->lock));
    MPROC_MUST(mproc_semaphore_release(shared->two));
}

static int work(void *arg)
{
    const struct shared *shared = arg;
    struct numbers *numbers = mproc_pointer(shared->numbers);
    say_that_i_am_here(shared, numbers);
    MPROC_MUST(mproc_event_wait(shared->start, MPROC_FOREVER));
    if (!numbers->started)
        numbers->started_early++;
    for (int i = 0; i < ROUNDS; i++)
        count(shared, numbers);
    for (int i = 0; i < ROUNDS; i++)
        go_through_the_narrow_place(shared, numbers);
    return 0;
}

static void create_all(struct shared *shared)
{
    MPROC_MUST(mproc_condition_create(&shared->changed));
    MPROC_MUST(mproc_event_create(&shared->start));
    MPROC_MUST(mproc_lock_create(&shared->lock));
    MPROC_MUST(mproc_rlock_create(&shared->rlock));
    MPROC_MUST(mproc_semaphore_create_bounded(&shared->two, 2));
    MPROC_MUST(mproc_alloc(&shared->numbers, sizeof(struct numbers)));
}

static void destroy_all(const struct shared *shared)
{
    MPROC_MUST(mproc_condition_destroy(shared->changed));
    MPROC_MUST(mproc_event_destroy(shared->start));
    MPROC_MUST(mproc_lock_destroy(shared->lock));
    MPROC_MUST(mproc_rlock_destroy(shared->rlock));
    MPROC_MUST(mproc_semaphore_destroy(shared->two));
    MPROC_MUST(mproc_free(shared->numbers));
}

int main(void)
{
    mproc_init();

    struct shared shared;
    create_all(&shared);
    struct numbers *numbers = mproc_pointer(shared.numbers);

    mproc_process *processes[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        MPROC_MUST(mproc_process_start(&processes[i], work, &shared, sizeof shared, NULL));

    MPROC_MUST(mproc_condition_acquire(shared.changed, MPROC_FOREVER));
    MPROC_MUST(mproc_condition_wait_for(shared.changed, all_are_here, numbers, MPROC_FOREVER));
    printf("condition: %d are here\n", numbers->here);
    MPROC_MUST(mproc_condition_release(shared.changed));

    mproc_sleep(20 * PAUSE); /* they wait for the event, however long that takes */
    numbers->started = true;
    MPROC_MUST(mproc_event_set(shared.start));
    for (int i = 0; i < WORKERS; i++) {
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(processes[i]));
    }
    printf("event: %d started early\nlock: %d\nrlock: %d\nsemaphore: at most %d inside, %d at last\n",
           numbers->started_early, numbers->by_lock, numbers->by_rlock, numbers->most_inside, numbers->inside);
    destroy_all(&shared);
    return 0;
}
