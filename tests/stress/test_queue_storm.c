/* SPDX-License-Identifier: MIT */
/* Processes that put and get are killed at random and at every fault point, and a ledger in files tells what has
 * become of every item: nothing torn, nothing twice, nothing lost but what a killed getter had in its hands; with
 * borrowed items nothing lost at all.
 *
 * MPROC_STORM_KILLS=1000000 in the environment asks for so many kills (default: 10,000), MPROC_STORM_SEED for a
 * storm that was. */
#include "ledger.h"
#include "queue_points.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"

enum { LARGEST = 1 << 20, LARGE_EVERY = 64, TINY_EVERY = 16, BATCH = 16, USUAL = 10000, SLOW = 80 };
enum { PRODUCERS = 3, CONSUMERS = 3, PLACES = PRODUCERS + CONSUMERS };

/* How a storm's queue is, and what is done with it. */
struct flavour {
    int share; /* of the kills, in hundredths */
    size_t item_size, maxsize, max_bytes;
    bool borrows;    /* all items; otherwise now and then */
    bool gives_back; /* now and then */
    bool batches;    /* many items at once; and counts what is done */
};

struct job {
    struct flavour flavour;
    mproc_queue queue;
    mproc_memory flags; /* ints: 0 stop */
    int place, life;
    uint32_t seed;
};

static size_t size_at(const struct flavour *flavour, uint32_t random)
{
    if (flavour->item_size != MPROC_VARIABLE)
        return flavour->item_size;
    if (random % LARGE_EVERY == 0)
        return SMALLEST_ITEM + random / 64 % (LARGEST - SMALLEST_ITEM);
    if (random % TINY_EVERY == 1)
        return TINY_ITEM;
    return SMALLEST_ITEM + random / 8 % (random % 8 == 0 ? 60000 : 300);
}

static bool is_no_error(mproc_err err)
{
    return err == MPROC_OK || err == MPROC_ETIMEDOUT || err == MPROC_ECLOSED;
}

/* ---- producers ---- */

static mproc_err put_one(struct job *job, FILE *ledger, unsigned char *bytes, uint32_t number, size_t size,
                         bool in_place, mproc_ms timeout)
{
    struct item item = item_make(bytes, (uint32_t) job->place, (uint32_t) job->life, number, size);
    mproc_item loan;
    mproc_err err;
    ledger_write(ledger, BEGUN, &item);
    if (in_place) {
        err = mproc_queue_loan(job->queue, size, &loan);
        if (err == MPROC_OK) {
            memcpy(loan.data, bytes, size);
            err = mproc_queue_commit(job->queue, &loan, timeout);
            if (err != MPROC_OK)
                mproc_queue_return(job->queue, &loan);
        }
    } else {
        err = mproc_queue_put_bytes(job->queue, bytes, size, timeout);
    }
    if (err == MPROC_OK)
        ledger_write(ledger, PUT, &item);
    return err;
}

static mproc_err put_batch(struct job *job, FILE *ledger, unsigned char *bytes, uint32_t number, size_t count,
                           mproc_ms timeout)
{
    bool fixed = job->flavour.item_size != MPROC_VARIABLE;
    size_t sizes[BATCH], done = 0;
    const void *places[BATCH];
    struct item items[BATCH];
    for (size_t i = 0; i < count; i++) {
        sizes[i] = fixed ? job->flavour.item_size : SMALLEST_ITEM + (number + i) * 37 % 3000;
        places[i] = bytes;
        items[i] = item_make(bytes, (uint32_t) job->place, (uint32_t) job->life, number + (uint32_t) i, sizes[i]);
        bytes += sizes[i];
        ledger_write(ledger, BEGUN, &items[i]);
    }
    mproc_err err = fixed ? mproc_queue_put_many(job->queue, places[0], count, &done, timeout)
                          : mproc_queue_put_many_bytes(job->queue, places, sizes, count, &done, timeout);
    for (size_t i = 0; i < done; i++)
        ledger_write(ledger, PUT, &items[i]);
    return err;
}

static int produce(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("put", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    _Atomic int *stop = mproc_pointer(job->flags);
    uint32_t random = job->seed;
    for (uint32_t number = 0; !atomic_load(stop);) {
        uint32_t any = random_next(&random);
        size_t count = job->flavour.batches ? 1 + any % BATCH : 1;
        mproc_ms timeout = any % 3 ? MPROC_FOREVER : 1;
        mproc_err err = job->flavour.batches ? put_batch(job, ledger, bytes, number, count, timeout)
                                             : put_one(job, ledger, bytes, number, size_at(&job->flavour, any),
                                                       any % 5 == 0, timeout);
        CHILD_CHECK(is_no_error(err));
        number += (uint32_t) count;
    }
    free(bytes);
    fclose(ledger);
    return 0;
}

/* ---- consumers ---- */

static mproc_err get_one(struct job *job, FILE *ledger, unsigned char *bytes, uint32_t random, mproc_ms timeout)
{
    bool in_place = job->flavour.borrows || random % 5 == 0;
    struct item item = { 0 };
    size_t size;
    mproc_item loan;
    mproc_err err = in_place ? mproc_queue_borrow(job->queue, &loan, timeout)
                             : mproc_queue_get_bytes(job->queue, bytes, LARGEST, &size, timeout);
    if (err != MPROC_OK)
        return err;
    CHILD_CHECK(in_place ? item_read(loan.data, loan.size, &item) : item_read(bytes, size, &item));
    if (in_place && job->flavour.gives_back && random % 4 == 0)
        return mproc_queue_give_back(job->queue, &loan);
    ledger_write(ledger, GOT, &item); /* before the return: killed between, it is got again, not lost */
    return in_place ? mproc_queue_return(job->queue, &loan) : MPROC_OK;
}

/* Gets what is there, and says that it is done. */
static mproc_err get_batch(struct job *job, FILE *ledger, unsigned char *bytes, uint32_t random, mproc_ms timeout)
{
    bool fixed = job->flavour.item_size != MPROC_VARIABLE;
    size_t sizes[BATCH], done = 0, count = 1 + random % BATCH;
    mproc_err err = fixed ? mproc_queue_get_many(job->queue, bytes, count, &done, timeout)
                          : mproc_queue_get_many_bytes(job->queue, bytes, LARGEST, sizes, count, &done, timeout);
    for (size_t i = 0; i < done; i++) {
        struct item item;
        size_t size = fixed ? job->flavour.item_size : sizes[i];
        CHILD_CHECK(item_read(bytes, size, &item));
        ledger_write(ledger, GOT, &item);
        bytes += size;
    }
    for (size_t i = 0; i < done; i++)
        CHILD_OK(mproc_queue_task_done(job->queue));
    if (random % 8 == 0)
        CHILD_CHECK(is_no_error(mproc_queue_join(job->queue, 1)));
    return err;
}

static int consume(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("get", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    uint32_t random = job->seed;
    mproc_err err;
    do {
        uint32_t any = random_next(&random);
        mproc_ms timeout = any % 3 ? MPROC_FOREVER : 1;
        err = job->flavour.batches ? get_batch(job, ledger, bytes, any / 3, timeout)
                                   : get_one(job, ledger, bytes, any / 3, timeout);
        CHILD_CHECK(is_no_error(err));
    } while (err != MPROC_ECLOSED);
    free(bytes);
    fclose(ledger);
    return 0;
}

/* ---- the storm ---- */

enum { DIED_AT_POINT = 99, DIED_OF_A_FAILED_CHECK = 111 };

struct seat {
    mproc_process *process;
    unsigned point; /* at which it is to die, or ALL_POINTS */
};

/* How many have died, and at each point, over all storms. */
static int deaths, died_at[ALL_POINTS];

struct storm {
    struct job job;
    struct seat places[PLACES];
    uint32_t random;
    int producers_died, consumers_died;
};

static void start_place(struct storm *storm, int number)
{
    struct job *job = &storm->job;
    char fault[80];
    const char *environment[] = { fault, NULL };
    unsigned choice = random_next(&storm->random) % (2 * ALL_POINTS);
    job->place = number;
    job->life++;
    job->seed = random_next(&storm->random) | 1;
    unsigned passes = 1 + random_next(&storm->random) % (choice < POINTS ? 20 : 3);
    if (choice < ALL_POINTS)
        snprintf(fault, sizeof fault, "MPROC_FAULT=%s:%u:exit", point_name(choice), passes);
    mproc_process_options options = { .environment = choice < ALL_POINTS ? environment : NULL };
    storm->places[number].point = choice;
    storm->places[number].process = start_child(number < PRODUCERS ? produce : consume, job, sizeof *job, &options);
}

static void end_place(struct storm *storm, int number)
{
    int exit_code = end_child(storm->places[number].process);
    CU_ASSERT_NOT_EQUAL(exit_code, DIED_OF_A_FAILED_CHECK);
    if (exit_code == DIED_AT_POINT)
        died_at[storm->places[number].point]++;
    deaths += exit_code != 0;
    *(number < PRODUCERS ? &storm->producers_died : &storm->consumers_died) += exit_code != 0;
}

/* Kills, and starts anew, until so many have died. */
static void rage(struct storm *storm, int kills)
{
    for (int i = 0; storm->producers_died + storm->consumers_died < kills; i++) {
        int number = (int) (random_next(&storm->random) % PLACES);
        mproc_plat_sleep(random_next(&storm->random) % 3000000);
        CHECK_OK(mproc_process_kill(storm->places[number].process));
        end_place(storm, number);
        start_place(storm, number);
        if (i % 100 == 0)
            watchdog_start(110);
    }
}

/* Gets what is left, in this process. */
static void drain(struct job *job)
{
    unsigned char *bytes = malloc(LARGEST);
    mproc_err err = MPROC_OK;
    job->place = PLACES;
    FILE *ledger = ledger_open("get", PLACES);
    while (err == MPROC_OK)
        err = job->flavour.batches ? get_batch(job, ledger, bytes, 1, MPROC_NOWAIT)
                                   : get_one(job, ledger, bytes, 1, MPROC_NOWAIT);
    CU_ASSERT_EQUAL(err, MPROC_ECLOSED);
    fclose(ledger);
    free(bytes);
}

static void check_tally(const struct storm *storm, int64_t begin, uint32_t seed)
{
    const struct flavour *flavour = &storm->job.flavour;
    struct tally tally = ledgers_tally(0, PLACES + 1);
    int died = storm->producers_died + storm->consumers_died;
    printf("\n    seed %lu: %d deaths in %.1f s, %d items put, %d got, %d lost, %d twice\n    ",
           (unsigned long) seed, died, (double) (mproc_plat_now() - begin) / 1e9, tally.put, tally.got, tally.lost,
           tally.twice);
    CU_ASSERT_EQUAL(tally.unknown, 0);
    CU_ASSERT_TRUE(tally.twice <= storm->consumers_died);
    CU_ASSERT_TRUE(tally.lost <= (flavour->borrows ? 0 : storm->consumers_died * (flavour->batches ? BATCH : 1)));
    CU_ASSERT_TRUE(mproc_queue_empty(storm->job.queue));
    if (flavour->batches) { /* what was got and not said to be done, its getter died with */
        struct channel *channel = mproc__channel_in(mproc__object(BLOCK_QUEUE, storm->job.queue.id));
        uint32_t undone = mproc__items_of(atomic_load(&channel->tail)) - atomic_load(&channel->done);
        CU_ASSERT_TRUE(undone <= (uint32_t) storm->consumers_died * BATCH);
    }
}

static void rage_over(const struct flavour *flavour)
{
    uint32_t seed = storm_seed();
    int kills = kills_to_do(USUAL, SLOW) * flavour->share / 100;
    struct storm storm = { .job = { .flavour = *flavour }, .random = seed };
    mproc_queue_options options = {
        .item_size = flavour->item_size,
        .maxsize = flavour->maxsize,
        .max_bytes = flavour->max_bytes,
    };
    ledgers_clear(0, PLACES + 1);
    CHECK_OK(mproc_queue_create_with(&storm.job.queue, &options));
    _Atomic int *stop = shared_ints(&storm.job.flags, 1);
    int64_t begin = mproc_plat_now();
    for (int i = 0; i < PLACES; i++)
        start_place(&storm, i);
    rage(&storm, kills);
    atomic_store(stop, 1);
    CHECK_OK(mproc_queue_close(storm.job.queue));
    for (int i = 0; i < PLACES; i++)
        end_place(&storm, i);
    drain(&storm.job);
    check_tally(&storm, begin, seed);
    CU_ASSERT_TRUE(storm.producers_died + storm.consumers_died >= kills);
    CHECK_OK(mproc_queue_destroy(storm.job.queue));
    CHECK_OK(mproc_free(storm.job.flags));
}

static void killed_getters_lose_only_what_they_had_in_their_hands(void)
{
    static const struct flavour copies = { .share = 30, .item_size = MPROC_VARIABLE, .maxsize = 40 };
    rage_over(&copies);
}

static void killed_borrowers_lose_nothing(void)
{
    static const struct flavour borrowed = { .share = 15, .item_size = MPROC_VARIABLE, .maxsize = 40, .borrows = true };
    rage_over(&borrowed);
}

static void nor_do_those_whose_blocks_are_kept_for_the_next(void)
{
    static const struct flavour of_one_size = { .share = 10, .item_size = 3000, .maxsize = 40, .borrows = true };
    rage_over(&of_one_size);
}

static void nor_do_those_who_give_back_to_a_queue_with_little_room(void)
{
    static const struct flavour little = {
        .share = 20, .item_size = MPROC_VARIABLE, .max_bytes = 50000, .borrows = true, .gives_back = true,
    };
    rage_over(&little);
}

static void many_at_once_are_lost_or_undone_only_with_their_getter(void)
{
    static const struct flavour batches = { .share = 15, .item_size = 200, .maxsize = 60, .batches = true };
    rage_over(&batches);
}

static void nor_otherwise_are_many_of_different_lengths(void)
{
    static const struct flavour batches = { .share = 10, .item_size = MPROC_VARIABLE, .maxsize = 60, .batches = true };
    rage_over(&batches);
}

/* The others are test_queue_deaths.c's: a ring that has grown passes some of them never. */
static void somebody_has_died_wherever_several_wait_for_each_other(void)
{
    int missing = 0;
    for (unsigned i = ALL_POINTS - WHEN_WAITING; i < ALL_POINTS; i++) {
        printf("%s%s %d", i == ALL_POINTS - WHEN_WAITING ? "\n    deaths at " : ", ", point_name(i), died_at[i]);
        missing += died_at[i] == 0 && i < ALL_POINTS - SELDOM;
    }
    printf("\n    ");
    if (deaths < USUAL)
        skip("there were too few deaths");
    else
        CU_ASSERT_EQUAL(missing, 0);
}

MPROC_SUITE(queue_storm, MPROC_TEST(killed_getters_lose_only_what_they_had_in_their_hands),
            MPROC_TEST(killed_borrowers_lose_nothing),
            MPROC_TEST(nor_do_those_whose_blocks_are_kept_for_the_next),
            MPROC_TEST(nor_do_those_who_give_back_to_a_queue_with_little_room),
            MPROC_TEST(many_at_once_are_lost_or_undone_only_with_their_getter),
            MPROC_TEST(nor_otherwise_are_many_of_different_lengths),
            MPROC_TEST(somebody_has_died_wherever_several_wait_for_each_other))
