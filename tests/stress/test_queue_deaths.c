/* SPDX-License-Identifier: MIT */
/* A process that uses a queue dies at each fault point in turn, and the one that finds it so dies as well, in the
 * middle of its repair or at the same point. A ledger in files tells what has become of every item: nothing torn,
 * nothing lost but what a dead getter had in its hands, nothing twice but what was not acknowledged. */
#include "ledger.h"
#include "queue_points.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

enum { LARGEST = 100000, ONE_SIZE = 3000, LONG_TIME = 10000 };

struct job {
    mproc_queue queue;
    size_t size; /* of all items, or 0: each another one */
    int place, rounds;
};

/* What a process has at hand. */
struct hands {
    const struct job *job;
    FILE *putting, *getting;
    unsigned char *bytes;
};

static void put_one(struct hands *hands, uint32_t number, size_t size, bool in_place)
{
    uint32_t place = (uint32_t) hands->job->place;
    struct item item = item_make(hands->bytes, place, 0, number, size);
    mproc_item loan;
    ledger_write(hands->putting, BEGUN, &item);
    if (in_place) {
        CHILD_OK(mproc_queue_loan(hands->job->queue, size, &loan));
        memcpy(loan.data, hands->bytes, size);
        CHILD_OK(mproc_queue_commit(hands->job->queue, &loan, LONG_TIME));
    } else {
        CHILD_OK(mproc_queue_put_bytes(hands->job->queue, hands->bytes, size, LONG_TIME));
    }
    ledger_write(hands->putting, PUT, &item);
}

enum way { COPY, BORROW, GIVE_BACK };

static mproc_err get_one(struct hands *hands, enum way way, mproc_ms timeout)
{
    mproc_queue queue = hands->job->queue;
    struct item item;
    size_t size;
    mproc_item loan;
    mproc_err err = way == COPY ? mproc_queue_get_bytes(queue, hands->bytes, LARGEST, &size, timeout)
                                : mproc_queue_borrow(queue, &loan, timeout);
    if (err != MPROC_OK)
        return err;
    CHILD_CHECK(way == COPY ? item_read(hands->bytes, size, &item) : item_read(loan.data, loan.size, &item));
    if (way == GIVE_BACK)
        return mproc_queue_give_back(queue, &loan);
    ledger_write(hands->getting, GOT, &item); /* before the return: killed between, it is got again, not lost */
    return way == BORROW ? mproc_queue_return(queue, &loan) : MPROC_OK;
}

static struct hands open_hands(const struct job *job)
{
    struct hands hands = { job, ledger_open("put", job->place), ledger_open("get", job->place), malloc(LARGEST) };
    CHILD_CHECK(hands.putting && hands.getting && hands.bytes);
    return hands;
}

static void close_hands(struct hands *hands)
{
    free(hands->bytes);
    fclose(hands->putting);
    fclose(hands->getting);
}

/* Gets what others have left, so that it finds the queue empty; then puts and gets items of all kinds, most of which
 * get out again. */
static int exercise(void *argument)
{
    const struct job *job = argument;
    struct hands hands = open_hands(job);
    static const size_t sizes[] = { 30, 300, 90000, 20, 40000, 5000, 33000, 1 };
    uint32_t number = 0;
    mproc_err err;
    for (int i = 0; (err = get_one(&hands, i % 2 ? BORROW : COPY, MPROC_NOWAIT)) != MPROC_ETIMEDOUT; i++)
        CHILD_CHECK(err == MPROC_OK);
    for (int round = 0; round < job->rounds; round++) {
        for (int i = 0; i < 8; i++)
            put_one(&hands, number++, job->size ? job->size : sizes[i], (round + i) % 3 == 0);
        CHILD_OK(get_one(&hands, GIVE_BACK, LONG_TIME));
        for (int i = 0; i < 7; i++)
            CHILD_OK(get_one(&hands, (round + i) % 4 == 0 ? BORROW : COPY, LONG_TIME));
    }
    close_hands(&hands);
    return 0;
}

/* Gets all that is left, in this process. */
static void drain(const struct job *job)
{
    struct hands hands = open_hands(job);
    mproc_err err;
    while ((err = get_one(&hands, COPY, MPROC_NOWAIT)) == MPROC_OK)
        continue;
    CU_ASSERT_EQUAL(err, MPROC_ETIMEDOUT);
    close_hands(&hands);
}

struct death {
    const struct point *point;
    int count; /* at the how many-th passing */
    bool came;
};

static void die_at(struct job *job, struct death *death)
{
    char fault[80];
    snprintf(fault, sizeof fault, "MPROC_FAULT=%s:%d:kill", death->point->name, death->count);
    const char *environment[] = { fault, NULL };
    mproc_process_options options = { .environment = environment };
    int exit_code = run_child(exercise, job, sizeof *job, &options);
    CU_ASSERT_NOT_EQUAL(exit_code, 111);
    death->came = exit_code != 0;
}

/* A process dies, a second one goes on where it was and dies too, then a sound one works, and the rest is got. */
static void two_die(struct death *first, struct death *second)
{
    uint64_t before = mproc__arena_used();
    struct death *deaths[] = { first, second };
    ledgers_clear(0, 4);
    bool one_size = needs_one_size(first->point) || needs_one_size(second->point);
    struct job job = { .rounds = one_size ? 20 : 6, .size = one_size ? ONE_SIZE : 0 };
    CHECK_OK(mproc_queue_create(&job.queue, one_size ? ONE_SIZE : MPROC_VARIABLE, 0));
    for (job.place = 0; job.place < 2; job.place++)
        die_at(&job, deaths[job.place]);
    CU_ASSERT_EQUAL(run_child(exercise, &job, sizeof job, NULL), 0);
    job.place = 3;
    drain(&job);
    struct tally tally = ledgers_tally(0, 4);
    int lost = first->came * first->point->lost + second->came * second->point->lost;
    int died = first->came + second->came;
    bool right = tally.lost <= lost && tally.twice <= died && tally.unknown == 0 && mproc_queue_empty(job.queue);
    if (!right)
        printf("\n    %s:%d, then %s:%d: %d put, %d lost, %d twice, %d unknown, %d left\n    ", first->point->name,
               first->count, second->point->name, second->count, tally.put, tally.lost, tally.twice, tally.unknown,
               (int) mproc_queue_qsize(job.queue));
    CU_ASSERT_TRUE(right);
    CHECK_OK(mproc_queue_destroy(job.queue));
    /* What is lost to the arena is what was between it and the one who died. */
    CU_ASSERT_TRUE(mproc__arena_used() - before <= (uint64_t) died * (1 << 20));
    watchdog_start(110);
}

static void a_death_at_any_point_leaves_a_queue_that_works(void)
{
    for (int i = 0; i < POINTS; i++) {
        bool came = false;
        for (int count = 1; count <= (system_is_windows() ? 1 : 13); count += 4) {
            struct death first = { &points[i], count, false }, second = first;
            two_die(&first, &second);
            came |= first.came || second.came;
        }
        if (!came && strncmp(points[i].name, "arena", 5) != 0) {
            printf("\n    %s is never passed\n    ", points[i].name);
            CU_FAIL("a fault point is never passed");
        }
    }
}

static void a_death_in_any_repair_leaves_a_queue_that_works(void)
{
    bool came[AFTER_DEATH] = { false };
    int step = system_is_windows() ? 3 : 1;
    for (int i = 0; i < POINTS; i++)
        for (int k = i % step; k < AFTER_DEATH; k += step) {
            struct death first = { &points[i], 1 + k % 3 * 3, false }, second = { &after_death[k], 1, false };
            two_die(&first, &second);
            came[k] |= second.came;
        }
    for (int k = 0; k < AFTER_DEATH; k++)
        if (!came[k]) {
            printf("\n    nobody has died at %s\n    ", after_death[k].name);
            CU_FAIL("a repair in which nobody has died");
        }
}

MPROC_SUITE(queue_deaths, MPROC_TEST(a_death_at_any_point_leaves_a_queue_that_works),
            MPROC_TEST(a_death_in_any_repair_leaves_a_queue_that_works))
