/* SPDX-License-Identifier: MIT */
/* Pairs of processes, one of which sends and the other receives, and one of the two is killed, at random or at a fault
 * point. The other learns of it: who receives has got all that was sent whole, in order, before the stream ended.
 *
 * MPROC_STORM_KILLS and MPROC_STORM_SEED as for the storm of queues; by default a tenth as many kills. */
#include "ledger.h"
#include "queue_points.h"
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "platform.h"

enum { PAIRS = 6, LARGEST = 300000, USUAL = 10000, SLOW = 400, ACKNOWLEDGE_EVERY = 8 };

struct job {
    mproc_pipe own; /* the end of this process */
    int place, life;
    uint32_t seed;
};

static size_t size_at(uint32_t random)
{
    return random % 16 == 0 ? TINY_ITEM : SMALLEST_ITEM + random / 32 % (random % 32 == 1 ? 250000 : 500);
}

/* Sends until the other one is gone. */
static int send_all(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("put", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    uint32_t random = job->seed;
    mproc_err err = MPROC_OK;
    for (uint32_t number = 0; err != MPROC_ECLOSED; number++) {
        uint32_t any = random_next(&random);
        size_t size = size_at(any), length;
        struct item item = item_make(bytes, (uint32_t) job->place, (uint32_t) job->life, number, size);
        ledger_write(ledger, BEGUN, &item);
        err = mproc_pipe_send(job->own, bytes, size, any % 3 ? MPROC_FOREVER : 1);
        CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT || err == MPROC_ECLOSED);
        if (err == MPROC_OK)
            ledger_write(ledger, PUT, &item);
        mproc_err back = mproc_pipe_recv(job->own, bytes, LARGEST, &length, MPROC_NOWAIT);
        if (back == MPROC_OK)
            CHILD_CHECK(length == 1 && bytes[0] == 'y');
        else
            CHILD_CHECK(back == MPROC_ETIMEDOUT || back == MPROC_ECLOSED);
    }
    free(bytes);
    fclose(ledger);
    return 0;
}

/* Receives until all that was sent has come, and nobody can send more; answers now and then. */
static int receive_all(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("get", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    uint32_t random = job->seed, next = 0;
    mproc_err err = MPROC_OK;
    while (err != MPROC_ECLOSED) {
        struct item item;
        size_t size = 0;
        uint32_t any = random_next(&random);
        if (any % 5 == 0)
            CHILD_CHECK(mproc_pipe_poll(job->own, 1) != MPROC_EPROTO);
        err = mproc_pipe_recv(job->own, bytes, LARGEST, &size, any % 3 ? MPROC_FOREVER : 1);
        if (err != MPROC_OK) {
            CHILD_CHECK(err == MPROC_ETIMEDOUT || err == MPROC_ECLOSED);
            continue;
        }
        CHILD_CHECK(item_read(bytes, size, &item));
        if (size != TINY_ITEM) {
            CHILD_CHECK(item.life == (uint32_t) job->life && item.number >= next);
            next = item.number + 1;
        }
        ledger_write(ledger, GOT, &item);
        if (any % ACKNOWLEDGE_EVERY == 0)
            (void) !mproc_pipe_send(job->own, "y", 1, MPROC_NOWAIT);
    }
    free(bytes);
    fclose(ledger);
    return 0;
}

/* ---- the storm ---- */

struct pair {
    mproc_pipe ends[2];           /* of the sender, of the receiver */
    mproc_process *processes[2];
};

static void start_side(struct pair *pair, int side, struct job job, uint32_t *random)
{
    char fault[80];
    const char *environment[] = { fault, NULL };
    unsigned choice = random_next(random) % (2 * ALL_POINTS);
    job.own = pair->ends[side];
    job.seed = random_next(random) | 1;
    if (choice < ALL_POINTS)
        snprintf(fault, sizeof fault, "MPROC_FAULT=%s:%lu:kill", point_name(choice), 1 + random_next(random) % 20ul);
    mproc_process_options options = { .environment = choice < ALL_POINTS ? environment : NULL };
    pair->processes[side] = start_child(side == 0 ? send_all : receive_all, &job, sizeof job, &options);
    /* However early it dies, the other one learns of it. */
    CHECK_OK(mproc_pipe_give(pair->ends[side], pair->processes[side]));
}

static void start_pair(struct pair *pair, int place, int life, uint32_t *random)
{
    struct job job = { .place = place, .life = life };
    CHECK_OK(mproc_pipe_create(&pair->ends[0], &pair->ends[1], true));
    for (int side = 0; side < 2; side++)
        start_side(pair, side, job, random);
}

/* One of the two was killed, the other one ends by itself, unless it has died at a point. How many have died. */
static int end_pair(struct pair *pair, int place)
{
    int codes[2];
    for (int side = 0; side < 2; side++) {
        codes[side] = end_child(pair->processes[side]);
        CU_ASSERT_NOT_EQUAL(codes[side], 111);
        CHECK_OK(mproc_pipe_close(pair->ends[side]));
    }
    struct tally tally = ledgers_tally(place, 1);
    CU_ASSERT_EQUAL(tally.twice, 0);
    CU_ASSERT_EQUAL(tally.unknown, 0);
    if (codes[1] == 0)
        CU_ASSERT_EQUAL(tally.lost, 0);
    return (codes[0] != 0) + (codes[1] != 0);
}

static void one_of_two_is_killed_and_the_other_learns_of_it(void)
{
    uint32_t seed = storm_seed(), random = seed;
    int kills = kills_to_do(USUAL, SLOW) / 10, deaths = 0, life = 0;
    uint64_t before = mproc__arena_used();
    int64_t begin = mproc_plat_now();
    struct pair pairs[PAIRS];
    ledgers_clear(0, PAIRS);
    while (deaths < kills) {
        for (int i = 0; i < PAIRS; i++)
            start_pair(&pairs[i], i, life++, &random);
        for (int i = 0; i < PAIRS; i++) {
            mproc_plat_sleep(random_next(&random) % 4000000);
            CHECK_OK(mproc_process_kill(pairs[i].processes[random_next(&random) % 2]));
        }
        for (int i = 0; i < PAIRS; i++)
            deaths += end_pair(&pairs[i], i);
        watchdog_start(110);
    }
    printf("\n    seed %lu: %d deaths in %.1f s\n    ", (unsigned long) seed, deaths,
           (double) (mproc_plat_now() - begin) / 1e9);
    CU_ASSERT_TRUE(deaths >= kills);
    /* What is lost to the arena is what was between it and those who died; a pipe or two of each hundred. */
    CU_ASSERT_TRUE(mproc__arena_used() - before < (uint64_t) deaths * 50000 + (4 << 20));
}

MPROC_SUITE(pipe_storm, MPROC_TEST(one_of_two_is_killed_and_the_other_learns_of_it))
