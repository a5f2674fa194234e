/* SPDX-License-Identifier: MIT */
/* Processes that put and get are killed at random and at every fault point, and a ledger in files,
 * outside the arena, tells what has become of every item: nothing torn, nothing twice, nothing lost
 * but what a killed getter had in its hands; with borrowed items nothing lost at all.
 *
 * MPROC_STORM_KILLS=1000000 in the environment asks for so many kills (default: 5,000 for each of the two storms,
 * or as many as 30 s allow). */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"

enum { LARGEST = 1 << 20, LARGE_EVERY = 64 };

struct item {
    uint32_t producer, life, number, size, sum;
};

static uint32_t sum_of(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t i = sizeof(struct item); i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum ^ (uint32_t) size;
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void make_item(unsigned char *bytes, uint32_t producer, uint32_t life, uint32_t number, uint32_t size)
{
    struct item item = { producer, life, number, size, 0 };
    memset(bytes + sizeof item, (int) (number * 37 + life), size - sizeof item);
    for (uint32_t i = sizeof item; i < size; i += 97)
        bytes[i] = (unsigned char) (i + number);
    item.sum = sum_of(bytes, size);
    memcpy(bytes, &item, sizeof item);
}

static bool item_is_whole(const unsigned char *bytes, size_t size, struct item *item)
{
    if (size < sizeof *item)
        return false;
    memcpy(item, bytes, sizeof *item);
    return item->size == size && item->sum == sum_of(bytes, size);
}

/* ---- the ledger: a file for each place, written by one process at a time ---- */

enum entry_kind { BEGUN = 1, PUT, GOT };
struct entry {
    uint32_t kind, producer, life, number;
};

static FILE *ledger_open(const char *role, int place)
{
    char name[40];
    snprintf(name, sizeof name, "ledger-%s-%d", role, place);
    FILE *file = fopen(name, "ab");
    if (file)
        setvbuf(file, NULL, _IONBF, 0);
    return file;
}

static void ledger_write(FILE *file, enum entry_kind kind, const struct item *item)
{
    struct entry entry = { kind, item->producer, item->life, item->number };
    if (fwrite(&entry, sizeof entry, 1, file) != 1)
        abort();
}

/* What a run that was cut short has left. */
static void ledgers_clear(int places)
{
    for (int place = 0; place < places; place++) {
        char name[40];
        snprintf(name, sizeof name, "ledger-put-%d", place);
        remove(name);
        snprintf(name, sizeof name, "ledger-get-%d", place);
        remove(name);
    }
}

struct ledger {
    struct entry *entries;
    size_t count, capacity;
};

static void ledger_read(struct ledger *ledger, const char *role, int place)
{
    char name[40];
    snprintf(name, sizeof name, "ledger-%s-%d", role, place);
    FILE *file = fopen(name, "rb");
    if (!file)
        return;
    struct entry entry;
    while (fread(&entry, sizeof entry, 1, file) == 1) {
        if (ledger->count == ledger->capacity) {
            ledger->capacity = ledger->capacity ? 2 * ledger->capacity : 1024;
            ledger->entries = realloc(ledger->entries, ledger->capacity * sizeof entry);
        }
        ledger->entries[ledger->count++] = entry;
    }
    fclose(file);
    remove(name);
}

static int by_item(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->producer != y->producer)
        return x->producer < y->producer ? -1 : 1;
    if (x->life != y->life)
        return x->life < y->life ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (int) x->kind - (int) y->kind;
}

struct tally {
    int put, lost, twice, unknown, got;
};

static struct tally ledger_tally(struct ledger *ledger)
{
    struct tally tally = { 0 };
    qsort(ledger->entries, ledger->count, sizeof(struct entry), by_item);
    for (size_t i = 0; i < ledger->count;) {
        int count[4] = { 0 };
        size_t first = i;
        for (; i < ledger->count && ledger->entries[i].producer == ledger->entries[first].producer &&
               ledger->entries[i].life == ledger->entries[first].life &&
               ledger->entries[i].number == ledger->entries[first].number; i++)
            count[ledger->entries[i].kind]++;
        tally.put += count[PUT] > 0;
        tally.got += count[GOT] > 0;
        tally.lost += count[PUT] > 0 && count[GOT] == 0;
        tally.twice += count[GOT] > 1;
        tally.unknown += count[GOT] > 0 && count[BEGUN] == 0;
    }
    free(ledger->entries);
    return tally;
}

/* ---- putting and getting with a ledger ---- */

struct job {
    mproc_queue queue;
    mproc_memory flags; /* ints: 0 stop */
    int place, life, rounds;
    bool borrowing;
    uint32_t seed;
};

static uint32_t size_at(uint32_t random)
{
    if (random % LARGE_EVERY == 0)
        return sizeof(struct item) + random / 64 % (LARGEST - (uint32_t) sizeof(struct item));
    if (random % 8 == 0)
        return sizeof(struct item) + random / 8 % 60000;
    return sizeof(struct item) + random / 8 % 300;
}

static mproc_err put_one(mproc_queue queue, FILE *ledger, unsigned char *bytes, uint32_t place, uint32_t life,
                         uint32_t number, uint32_t size, bool in_place, mproc_ms timeout)
{
    struct item item = { place, life, number, size, 0 };
    mproc_item loan;
    mproc_err err;
    ledger_write(ledger, BEGUN, &item);
    if (in_place) {
        err = mproc_queue_loan(queue, size, &loan);
        if (err == MPROC_OK) {
            make_item(loan.data, place, life, number, size);
            err = mproc_queue_commit(queue, &loan, timeout);
            if (err != MPROC_OK)
                mproc_queue_return(queue, &loan);
        }
    } else {
        make_item(bytes, place, life, number, size);
        err = mproc_queue_put_bytes(queue, bytes, size, timeout);
    }
    if (err == MPROC_OK)
        ledger_write(ledger, PUT, &item);
    return err;
}

static mproc_err get_one(mproc_queue queue, FILE *ledger, unsigned char *bytes, bool in_place, mproc_ms timeout,
                         bool *whole)
{
    struct item item = { .size = 0 };
    size_t size;
    mproc_item loan;
    mproc_err err = in_place ? mproc_queue_borrow(queue, &loan, timeout)
                             : mproc_queue_get_bytes(queue, bytes, LARGEST, &size, timeout);
    if (err != MPROC_OK)
        return err;
    *whole = in_place ? item_is_whole(loan.data, loan.size, &item) : item_is_whole(bytes, size, &item);
    ledger_write(ledger, GOT, &item); /* before the return: killed between, it is got again, not lost */
    return in_place ? mproc_queue_return(queue, &loan) : MPROC_OK;
}

/* ---- every fault point, one after the other ---- */

/* Where a process can die, and whether the item in its hands is then lost: it had taken it, or a piece
 * of it. */
static const struct point {
    const char *name;
    int lost;
} points[] = {
    { "channel.put_entered", 0 },       { "channel.put_copied", 0 },
    { "channel.put_prepared", 0 },      { "channel.put_committed", 0 },
    { "channel.segment_allocated", 0 }, { "channel.segment_noted", 0 },
    { "channel.segment_linked", 0 },    { "channel.loan_noted", 0 },
    { "channel.loan_cleared", 0 },      { "channel.get_entered", 0 },
    { "channel.get_copied", 0 },        { "channel.get_prepared", 1 },
    { "channel.get_committed", 1 },     { "channel.segment_left", 1 },
    { "channel.block_noted", 0 },       { "channel.borrow_noted", 0 },
    { "channel.borrow_taking", 0 },     { "channel.borrow_taken", 0 },
    { "loans.claimed", 0 },             { "loans.clearing", 1 },
    { "loans.freed", 1 },               { "queue.loaned", 0 },
    { "latch.before_release", 1 },      { "latch.before_wake", 1 },
    { "arena.popped", 0 },              { "arena.untagged", 1 },
    { "arena.carved", 0 },
};

/* Puts and gets items of all kinds, alone; most get out again. */
static int exercise(void *argument)
{
    struct job *job = argument;
    FILE *putting = ledger_open("put", job->place), *getting = ledger_open("get", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(putting && getting && bytes);
    uint32_t number = 0;
    for (int round = 0; round < job->rounds; round++) {
        static const uint32_t sizes[] = { 30, 300, 90000, 20, 40000, 5000, 33000, 100 };
        bool whole;
        for (int i = 0; i < 8; i++)
            CHILD_OK(put_one(job->queue, putting, bytes, (uint32_t) job->place, (uint32_t) job->life, number++,
                             sizes[i], (round + i) % 3 == 0, 10000));
        for (int i = 0; i < 7; i++) {
            CHILD_OK(get_one(job->queue, getting, bytes, (round + i) % 4 == 0, 10000, &whole));
            CHILD_CHECK(whole);
        }
    }
    free(bytes);
    fclose(putting);
    fclose(getting);
    return 0;
}

static mproc_process *start_faulty(mproc_target *target, const struct job *job, const char *fault)
{
    char text[80];
    snprintf(text, sizeof text, "MPROC_FAULT=%s", fault);
    const char *environment[] = { text, NULL };
    mproc_process_options options = { .environment = fault ? environment : NULL };
    return start_child(target, job, sizeof *job, &options);
}

static void drain(const struct job *job, int place)
{
    unsigned char *bytes = malloc(LARGEST);
    FILE *getting = ledger_open("get", place);
    bool whole = true;
    mproc_err err;
    while ((err = get_one(job->queue, getting, bytes, false, MPROC_NOWAIT, &whole)) == MPROC_OK)
        CU_ASSERT_TRUE(whole);
    CU_ASSERT_TRUE(err == MPROC_ETIMEDOUT || err == MPROC_ECLOSED);
    fclose(getting);
    free(bytes);
}

/* A process dies at the point, a second one goes on where it was and dies there too, then a sound one. */
static bool die_at(const struct point *point, int count)
{
    char fault[80];
    snprintf(fault, sizeof fault, "%s:%d:kill", point->name, count);
    uint64_t before = mproc__arena_used();
    ledgers_clear(4);
    struct job job = { .rounds = 6 };
    CHECK_OK(mproc_queue_create(&job.queue, MPROC_VARIABLE, 0));
    bool died = false;
    int deaths = 0;
    for (job.place = 0; job.place < 3; job.place++) {
        int exit_code = end_child(start_faulty(exercise, &job, job.place < 2 ? fault : NULL));
        died |= exit_code != 0;
        deaths += exit_code != 0;
        CU_ASSERT_NOT_EQUAL(exit_code, 111);
        if (job.place == 2)
            CU_ASSERT_EQUAL(exit_code, 0);
    }
    drain(&job, 3);
    struct ledger ledger = { 0 };
    for (int place = 0; place < 4; place++) {
        ledger_read(&ledger, "put", place);
        ledger_read(&ledger, "get", place);
    }
    struct tally tally = ledger_tally(&ledger);
    if (tally.lost > deaths * point->lost || tally.twice > deaths || tally.unknown)
        printf("\n    %s: %d put, %d lost, %d twice, %d unknown\n", fault, tally.put, tally.lost, tally.twice,
               tally.unknown);
    CU_ASSERT_TRUE(tally.lost <= deaths * point->lost);
    CU_ASSERT_TRUE(tally.twice <= deaths); /* written down, and killed before it could be returned */
    CU_ASSERT_EQUAL(tally.unknown, 0);
    CU_ASSERT_TRUE(mproc_queue_empty(job.queue));
    CHECK_OK(mproc_queue_destroy(job.queue));
    /* What is lost to the arena is what was between it and the one who died. */
    CU_ASSERT_TRUE(mproc__arena_used() - before <= (uint64_t) deaths * (1 << 20));
    return died;
}

static void a_death_at_any_point_leaves_a_queue_that_works(void)
{
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        bool died = false;
        for (int count = 1; count <= (system_is_windows() ? 1 : 13); count += 4) {
            died |= die_at(&points[i], count);
            watchdog_start(110);
        }
        if (!died && strncmp(points[i].name, "arena", 5) != 0) {
            printf("\n    %s is never passed\n", points[i].name);
            CU_FAIL("a fault point is never passed");
        }
    }
}

/* ---- the storm ---- */

#define STORM_TIME INT64_C(30000000000)
enum { PRODUCERS = 3, CONSUMERS = 3, PLACES = PRODUCERS + CONSUMERS };

static int produce(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("put", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    _Atomic int *stop = mproc_pointer(job->flags);
    uint32_t random = job->seed;
    for (uint32_t number = 0; !atomic_load(stop); number++) {
        uint32_t size = size_at(next_random(&random));
        mproc_err err = put_one(job->queue, ledger, bytes, (uint32_t) job->place, (uint32_t) job->life, number,
                                size, random % 5 == 0, random % 3 ? MPROC_FOREVER : 1);
        CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT || err == MPROC_ECLOSED);
    }
    free(bytes);
    fclose(ledger);
    return 0;
}

static int consume(void *argument)
{
    struct job *job = argument;
    FILE *ledger = ledger_open("get", job->place);
    unsigned char *bytes = malloc(LARGEST);
    CHILD_CHECK(ledger && bytes);
    uint32_t random = job->seed;
    for (;;) {
        bool whole = true;
        bool in_place = job->borrowing || next_random(&random) % 5 == 0;
        mproc_err err = get_one(job->queue, ledger, bytes, in_place, random % 3 ? MPROC_FOREVER : 1, &whole);
        CHILD_CHECK(whole);
        if (err == MPROC_ECLOSED)
            break;
        CHILD_CHECK(err == MPROC_OK || err == MPROC_ETIMEDOUT);
    }
    free(bytes);
    fclose(ledger);
    return 0;
}

static const char *const storm_points[] = {
    "channel.repair_unlinked", "channel.repair_partial", "channel.repair_got",   "channel.returned_claimed",
    "channel.returned_copied", "loans.sweeping",         "loans.returned",       "gate.epoch_read",
    "gate.announced",          "gate.awake",             "gate.under_way",       "gate.waking_all",
    "sentry.watching",          "latch.before_sleep",     "sentry.left",
};

static mproc_process *start_place(struct job *job, int place, uint32_t *random)
{
    enum { POINTS = sizeof points / sizeof points[0], MORE = sizeof storm_points / sizeof storm_points[0] };
    char fault[80] = "";
    uint32_t choice = next_random(random) % (2 * (POINTS + MORE));
    job->place = place;
    job->life++;
    job->seed = next_random(random) | 1;
    if (choice < POINTS + MORE)
        snprintf(fault, sizeof fault, "%s:%u:kill",
                 choice < POINTS ? points[choice].name : storm_points[choice - POINTS],
                 1 + next_random(random) % 20);
    return start_faulty(place < PRODUCERS ? produce : consume, job, fault[0] ? fault : NULL);
}

/* Ended by a signal, by the fault point, or as it should. */
static void check_end(mproc_process *process, int *deaths)
{
    int exit_code = end_child(process);
    CU_ASSERT_NOT_EQUAL(exit_code, 111);
    *deaths += exit_code != 0;
}

static void storm(bool borrowing, int kills, uint32_t seed)
{
    ledgers_clear(PLACES + 1);
    struct job job = { .borrowing = borrowing };
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .maxsize = 40 };
    CHECK_OK(mproc_queue_create_with(&job.queue, &options));
    _Atomic int *stop = shared_ints(&job.flags, 1);
    uint32_t random = seed;
    mproc_process *places[PLACES];
    int consumers_died = 0, producers_died = 0;
    for (int i = 0; i < PLACES; i++)
        places[i] = start_place(&job, i, &random);
    int64_t begin = mproc_plat_now();
    int killed = 0;
    for (; killed < kills; killed++) {
        if (!getenv("MPROC_STORM_KILLS") && mproc_plat_now() - begin > STORM_TIME)
            break; /* a busy machine: fewer have to do */
        int place = (int) (next_random(&random) % PLACES);
        mproc_plat_sleep(next_random(&random) % 3000000);
        CHECK_OK(mproc_process_kill(places[place]));
        check_end(places[place], place < PRODUCERS ? &producers_died : &consumers_died);
        places[place] = start_place(&job, place, &random);
        if (killed % 100 == 0)
            watchdog_start(110);
    }
    atomic_store(stop, 1);
    CHECK_OK(mproc_queue_close(job.queue));
    for (int i = 0; i < PLACES; i++)
        check_end(places[i], i < PRODUCERS ? &producers_died : &consumers_died);
    drain(&job, PLACES);

    struct ledger ledger = { 0 };
    for (int place = 0; place <= PLACES; place++) {
        ledger_read(&ledger, "put", place);
        ledger_read(&ledger, "get", place);
    }
    struct tally tally = ledger_tally(&ledger);
    printf("\n    seed %lu: %d deaths of %d kills in %.1f s, %d items put, %d got, %d lost, %d twice\n    ",
           (unsigned long) seed, consumers_died + producers_died, killed,
           (double) (mproc_plat_now() - begin) / 1e9, tally.put, tally.got, tally.lost, tally.twice);
    CU_ASSERT_EQUAL(tally.unknown, 0);
    CU_ASSERT_TRUE(tally.twice <= consumers_died);
    CU_ASSERT_TRUE(tally.lost <= (borrowing ? 0 : consumers_died));
    CU_ASSERT_TRUE(mproc_queue_empty(job.queue));
    CHECK_OK(mproc_queue_destroy(job.queue));
    CHECK_OK(mproc_free(job.flags));
}

static int kills_to_do(void)
{
    const char *text = getenv("MPROC_STORM_KILLS");
    if (text && atoi(text) > 0)
        return atoi(text);
    return system_is_windows() ? 40 : 5000;
}

static void seed_and_storm(bool borrowing)
{
    const char *text = getenv("MPROC_STORM_SEED");
    uint32_t seed = text ? (uint32_t) strtoul(text, NULL, 10) : (uint32_t) mproc_plat_now();
    storm(borrowing, kills_to_do(), seed | 1);
}

static void killed_getters_lose_only_what_they_had_in_their_hands(void)
{
    seed_and_storm(false);
}

static void killed_borrowers_lose_nothing(void)
{
    seed_and_storm(true);
}

MPROC_SUITE(queue_storm, MPROC_TEST(a_death_at_any_point_leaves_a_queue_that_works),
            MPROC_TEST(killed_getters_lose_only_what_they_had_in_their_hands),
            MPROC_TEST(killed_borrowers_lose_nothing))
