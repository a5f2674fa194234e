/* SPDX-License-Identifier: MIT */
/* Queues whose memory a stray pointer has hit: an error on that call, and the rest of the family goes on. */
#include "suite.h"
#include "system.h"

#include "arena.h"
#include "channel.h"
#include "platform.h"

enum { LARGE = 100000 };

static struct channel *channel_of(mproc_queue queue)
{
    struct channel *channel = mproc__channel_in(mproc__object(BLOCK_QUEUE, queue.id));
    if (!channel)
        abort();
    return channel;
}

static struct place *place_of(struct end *end, uint64_t word)
{
    return &end->place[word & 1];
}

static struct segment *segment_of(const struct place *place)
{
    struct segment *segment = mproc__object(BLOCK_ITEM, place->segment);
    if (!segment)
        abort();
    return segment;
}

/* ---- what the errors are ---- */

/* Each way to damage what the next get, or put, reads. */
static void damage_header(struct channel *channel, uint64_t header)
{
    struct place *place = place_of(&channel->get, atomic_load(&channel->head));
    segment_of(place)->data[place->offset] = header;
}

static void no_kind(struct channel *channel)
{
    damage_header(channel, 5);
}

static void unknown_kind(struct channel *channel)
{
    damage_header(channel, UINT64_C(99) << 56 | 5);
}

static void longer_than_any_record(struct channel *channel)
{
    damage_header(channel, UINT64_C(2) << 56 | UINT64_C(1) << 55);
}

static void longer_than_what_is_there(struct channel *channel)
{
    damage_header(channel, UINT64_C(2) << 56 | 2000);
}

static void skips_for_ever(struct channel *channel)
{
    damage_header(channel, UINT64_C(1) << 56);
}

static void item_of_many_gigabytes(struct channel *channel)
{
    struct place *place = place_of(&channel->get, atomic_load(&channel->head));
    segment_of(place)->data[place->offset] = UINT64_C(3) << 56 | 8;
    segment_of(place)->data[place->offset + 1] = UINT64_C(1) << 40;
}

static void block_that_is_none(struct channel *channel)
{
    struct place *place = place_of(&channel->get, atomic_load(&channel->head));
    segment_of(place)->data[place->offset] = UINT64_C(7) << 56 | 16;
    segment_of(place)->data[place->offset + 1] = UINT64_C(0x1100ffffffffff);
    segment_of(place)->data[place->offset + 2] = 5;
}

static void wild_segment_to_get(struct channel *channel)
{
    place_of(&channel->get, atomic_load(&channel->head))->segment = UINT64_C(0x1100ffffffffffff);
}

static void offset_beyond_to_get(struct channel *channel)
{
    place_of(&channel->get, atomic_load(&channel->head))->offset = 0x7fffffff;
}

static void wild_next_segment(struct channel *channel)
{
    struct segment *segment = segment_of(place_of(&channel->get, atomic_load(&channel->head)));
    segment->end = mproc__position_of(atomic_load(&channel->head));
    atomic_store(&segment->next, UINT64_C(0x1100ffffffffffff));
}

static void wild_segment_to_put(struct channel *channel)
{
    place_of(&channel->put, atomic_load(&channel->tail))->segment = UINT64_C(0x1100ffffffffffff);
}

static void offset_beyond_to_put(struct channel *channel)
{
    place_of(&channel->put, atomic_load(&channel->tail))->offset = 0x7fffffff;
}

struct work {
    mproc_queue queue;
    mproc_memory progress; /* ints: the case under way */
    bool putting;
    int first;
};

static int use_once(void *argument)
{
    struct work *work = argument;
    char bytes[100];
    size_t size = 0;
    mproc_item item;
    if (work->putting) {
        CHILD_FAILS(mproc_queue_put_bytes(work->queue, "more", 4, 100), MPROC_EPROTO);
    } else {
        CHILD_FAILS(mproc_queue_get_bytes(work->queue, bytes, sizeof bytes, &size, 100), MPROC_EPROTO);
        CHILD_FAILS(mproc_queue_borrow(work->queue, &item, 100), MPROC_EPROTO);
    }
    return 0;
}

static void what_was_written_over_is_an_error_on_the_call_that_reads_it(void)
{
    static const struct {
        void (*damage)(struct channel *channel);
        bool putting;
    } cases[] = {
        { no_kind, false },
        { unknown_kind, false },
        { longer_than_any_record, false },
        { longer_than_what_is_there, false },
        { skips_for_ever, false },
        { item_of_many_gigabytes, false },
        { block_that_is_none, false },
        { wild_segment_to_get, false },
        { offset_beyond_to_get, false },
        { wild_next_segment, false },
        { wild_segment_to_put, true },
        { offset_beyond_to_put, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct work work = { .putting = cases[i].putting };
        CHECK_OK(mproc_queue_create(&work.queue, MPROC_VARIABLE, 0));
        CHECK_OK(mproc_queue_put_bytes(work.queue, "hello", 5, MPROC_NOWAIT));
        cases[i].damage(channel_of(work.queue));
        int exit_code = run_child(use_once, &work, sizeof work, NULL);
        if (exit_code != 0)
            printf("\n    case %zu\n    ", i);
        CU_ASSERT_EQUAL(exit_code, 0);
        CHECK_OK(mproc_queue_destroy(work.queue));
    }
}

static void a_size_that_was_written_over_is_not_believed(void)
{
    mproc_queue queue;
    int item = 1;
    CHECK_OK(mproc_queue_create(&queue, sizeof item, 0));
    CHECK_OK(mproc_queue_put(queue, &item, MPROC_NOWAIT));
    channel_of(queue)->item_size = 1 << 30;
    CHECK_FAILS(mproc_queue_put(queue, &item, MPROC_NOWAIT), MPROC_EPROTO);
    CHECK_FAILS(mproc_queue_get(queue, &item, MPROC_NOWAIT), MPROC_EPROTO);
    CHECK_OK(mproc_queue_destroy(queue));
}

/* ---- every word of a queue's memory ---- */

static const uint64_t values[] = {
    0, 1, UINT64_C(0x7fffffff), UINT64_MAX, UINT64_C(0x4141414141414141), UINT64_C(0x1100000100001000),
};
enum { VALUES = sizeof values / sizeof values[0], SEGMENT_WORDS = 40, TABLE_WORDS = 24 };
enum { CHANNEL_WORDS = sizeof(struct channel) / 8, WORDS = CHANNEL_WORDS + SEGMENT_WORDS + TABLE_WORDS };
/* Each by a thread that has used the queue before, and by a new one. */
enum { CASES = WORDS * VALUES * 2 };

/* A queue with items of all kinds, a lent one and a borrowed one. */
static mproc_queue create_used(mproc_item *borrowed)
{
    static char large[LARGE];
    mproc_queue queue;
    mproc_item item;
    mproc_queue_options options = { .item_size = MPROC_VARIABLE, .maxsize = 1000, .max_bytes = 1 << 20 };
    MPROC_MUST(mproc_queue_create_with(&queue, &options));
    MPROC_MUST(mproc_queue_put_bytes(queue, "first", 5, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_borrow(queue, borrowed, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_put_bytes(queue, "small", 5, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_loan(queue, 100, &item));
    memset(item.data, 7, item.size);
    MPROC_MUST(mproc_queue_commit(queue, &item, MPROC_NOWAIT));
    MPROC_MUST(mproc_queue_put_bytes(queue, large, LARGE, MPROC_NOWAIT));
    return queue;
}

/* The word that a case damages. */
static uint64_t *word_of(mproc_queue queue, int word)
{
    struct channel *channel = channel_of(queue);
    if (word < CHANNEL_WORDS)
        return (uint64_t *) channel + word;
    if (word < CHANNEL_WORDS + SEGMENT_WORDS)
        return (uint64_t *) segment_of(place_of(&channel->get, atomic_load(&channel->head))) + word - CHANNEL_WORDS;
    uint64_t *table = mproc__object(BLOCK_ITEM, atomic_load(&channel->loans));
    uint64_t words = mproc__arena_size(BLOCK_ITEM, atomic_load(&channel->loans)) / 8;
    word -= CHANNEL_WORDS + SEGMENT_WORDS;
    /* Its beginning, and the entries that were claimed first. */
    return word < TABLE_WORDS / 2 ? table + word : table + words - TABLE_WORDS + word;
}

struct used {
    mproc_queue queue;
    mproc_item borrowed;
};

/* Whatever the answers are, they come. */
static void use_all(void *context)
{
    struct used *used = context;
    mproc_queue queue = used->queue;
    static char bytes[2 * LARGE];
    size_t size;
    mproc_item item;
    for (int i = 0; i < 3; i++) {
        (void) !mproc_queue_put_bytes(queue, bytes, i * 40000, i % 2);
        (void) !mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, i % 2);
        if (mproc_queue_borrow(queue, &item, i % 2) == MPROC_OK)
            (void) (i == 0 ? mproc_queue_give_back(queue, &item) : mproc_queue_return(queue, &item));
        if (mproc_queue_loan(queue, 10, &item) == MPROC_OK && mproc_queue_commit(queue, &item, 1) != MPROC_OK)
            (void) mproc_queue_return(queue, &item);
        (void) mproc_queue_full(queue);
        (void) mproc_queue_qsize(queue);
    }
    (void) mproc_queue_return(queue, &used->borrowed);
    (void) !mproc_queue_task_done(queue);
    (void) !mproc_queue_join(queue, 1);
    (void) !mproc_queue_close(queue);
    (void) !mproc_queue_get_bytes(queue, bytes, sizeof bytes, &size, 1);
    (void) mproc_queue_destroy(queue);
}

static int damage_and_use(void *argument)
{
    struct work *work = argument;
    _Atomic int *progress = mproc_pointer(work->progress);
    for (int i = work->first; i < CASES; i++) {
        struct used used;
        atomic_store(progress, i);
        used.queue = create_used(&used.borrowed);
        *word_of(used.queue, i / 2 / VALUES) = values[i / 2 % VALUES];
        int64_t begin = mproc_plat_now();
        if (i % 2)
            thread_join(thread_start(use_all, &used));
        else
            use_all(&used);
        CHILD_CHECK(mproc_plat_now() - begin < INT64_C(30000000000));
        if (i % 50 == 0)
            watchdog_start(110);
    }
    return 0;
}

static void no_word_of_a_queue_makes_others_crash_or_hang(void)
{
    struct work work = { .first = 0 };
    _Atomic int *progress = shared_ints(&work.progress, 1);
    for (int deaths = 0; work.first < CASES && deaths < 20; deaths++) {
        int exit_code = run_child(damage_and_use, &work, sizeof work, NULL);
        CU_ASSERT_EQUAL(exit_code, 0);
        if (exit_code == 0)
            break;
        int found = atomic_load(progress);
        printf("\n    word %d (the first segment's from %d on, the table's from %d on), value %d: exit code %d\n    ",
               found / 2 / VALUES, CHANNEL_WORDS, CHANNEL_WORDS + SEGMENT_WORDS, found / 2 % VALUES, exit_code);
        work.first = found + 1;
    }
    CHECK_OK(mproc_free(work.progress));
}

MPROC_SUITE(queue_damage, MPROC_TEST(what_was_written_over_is_an_error_on_the_call_that_reads_it),
            MPROC_TEST(a_size_that_was_written_over_is_not_believed),
            MPROC_TEST(no_word_of_a_queue_makes_others_crash_or_hang))
