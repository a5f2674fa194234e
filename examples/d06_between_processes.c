/* SPDX-License-Identifier: MIT */
/* Lock, RLock, Event, Condition and Semaphore between processes, each used as between threads. */
#include <mproc.h>

#include <stdio.h>

enum { WORKERS = 4, ROUNDS = 1000 };

struct shared {
    mproc_lock lock;
    mproc_rlock rlock;
    mproc_event start;
    mproc_condition changed;
    mproc_semaphore two;    /* at most two inside */
    mproc_memory numbers;
};

/* Plain ints: the locks guard them. */
struct numbers {
    int by_lock, by_rlock, arrived, inside, most_inside;
};

static bool all_arrived(void *context)
{
    return ((struct numbers *) context)->arrived == WORKERS;
}

static void count(const struct shared *shared, struct numbers *numbers)
{
    for (int i = 0; i < ROUNDS; i++) {
        MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
        numbers->by_lock++;
        MPROC_MUST(mproc_lock_release(shared->lock));

        MPROC_MUST(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER));
        MPROC_MUST(mproc_rlock_acquire(shared->rlock, MPROC_FOREVER));
        numbers->by_rlock++;
        MPROC_MUST(mproc_rlock_release(shared->rlock));
        MPROC_MUST(mproc_rlock_release(shared->rlock));
    }
}

static void go_through_the_narrow_place(const struct shared *shared, struct numbers *numbers)
{
    MPROC_MUST(mproc_semaphore_acquire(shared->two, MPROC_FOREVER));
    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    if (++numbers->inside > numbers->most_inside)
        numbers->most_inside = numbers->inside;
    MPROC_MUST(mproc_lock_release(shared->lock));

    MPROC_MUST(mproc_lock_acquire(shared->lock, MPROC_FOREVER));
    numbers->inside--;
    MPROC_MUST(mproc_lock_release(shared->lock));
    MPROC_MUST(mproc_semaphore_release(shared->two));
}

static int work(void *arg)
{
    const struct shared *shared = arg;
    struct numbers *numbers = mproc_pointer(shared->numbers);
    MPROC_MUST(mproc_event_wait(shared->start, MPROC_FOREVER));
    count(shared, numbers);
    for (int i = 0; i < ROUNDS; i++)
        go_through_the_narrow_place(shared, numbers);
    MPROC_MUST(mproc_condition_acquire(shared->changed, MPROC_FOREVER));
    numbers->arrived++;
    MPROC_MUST(mproc_condition_notify_all(shared->changed));
    MPROC_MUST(mproc_condition_release(shared->changed));
    return 0;
}

int main(void)
{
    mproc_init();

    struct shared shared;
    MPROC_MUST(mproc_lock_create(&shared.lock));
    MPROC_MUST(mproc_rlock_create(&shared.rlock));
    MPROC_MUST(mproc_event_create(&shared.start));
    MPROC_MUST(mproc_condition_create(&shared.changed));
    MPROC_MUST(mproc_semaphore_create_bounded(&shared.two, 2));
    MPROC_MUST(mproc_alloc(&shared.numbers, sizeof(struct numbers)));
    struct numbers *numbers = mproc_pointer(shared.numbers);

    mproc_process *processes[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        MPROC_MUST(mproc_process_start(&processes[i], work, &shared, sizeof shared, NULL));
    MPROC_MUST(mproc_event_set(shared.start));

    MPROC_MUST(mproc_condition_acquire(shared.changed, MPROC_FOREVER));
    MPROC_MUST(mproc_condition_wait_for(shared.changed, all_arrived, numbers, MPROC_FOREVER));
    MPROC_MUST(mproc_condition_release(shared.changed));
    for (int i = 0; i < WORKERS; i++)
        MPROC_MUST(mproc_process_join(processes[i], MPROC_FOREVER));

    printf("lock %d, rlock %d, arrived %d, inside %d, never more than two: %s\n", numbers->by_lock,
           numbers->by_rlock, numbers->arrived, numbers->inside, numbers->most_inside <= 2 ? "yes" : "no");
    return 0;
}
