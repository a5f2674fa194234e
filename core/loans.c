/* SPDX-License-Identifier: MIT */
/* The table of items in somebody's hands; loans.h says who may change an entry. */
#include "loans.h"

#include "fault.h"

enum { TABLE_LOANS = 28 };

struct loan_table {
    _Atomic uint64_t next; /* handle of a further one, or 0 */
    uint64_t number;       /* of its first loan: if a stray pointer has made a circle of tables, it ends */
    char space[56];        /* the block's header, which every look at an item reads, has a line of its own */
    struct loan loan[TABLE_LOANS];
};

/* The table this thread has last found behind its handle, which somebody may have written over. */
static MPROC_THREAD_LOCAL_NEAR struct {
    uint64_t handle;
    struct loan_table *table;
} known;

static struct loan_table *table_at(_Atomic uint64_t *handle)
{
    uint64_t value = atomic_load(handle);
    if (value != known.handle) {
        struct loan_table *table = mproc__object(BLOCK_ITEM, value);
        if (!table)
            return NULL;
        known.handle = value;
        known.table = table;
    }
    return known.table;
}

static struct loan_table *first_table(struct channel *channel)
{
    return table_at(&channel->loans);
}

static struct loan_table *table_after(struct loan_table *table)
{
    struct loan_table *next = table_at(&table->next);
    return next && next->number == table->number + TABLE_LOANS ? next : NULL;
}

/* Whoever stores the handle first wins. Killed before the store: a table is lost to the arena. */
static mproc_err add_table(_Atomic uint64_t *place, uint64_t number)
{
    uint64_t handle, nothing = 0;
    mproc_err err = mproc__arena_alloc(BLOCK_ITEM, sizeof(struct loan_table), &handle);
    if (err != MPROC_OK)
        return err;
    struct loan_table *table = mproc__arena_live(handle);
    table->number = number;
    if (!atomic_compare_exchange_strong(place, &nothing, handle))
        mproc__arena_free(BLOCK_ITEM, handle);
    return MPROC_OK;
}

static uint64_t reference_of(const struct loan *loan, uint32_t number)
{
    return (uint64_t) loan->generation << 32 | number;
}

mproc_err mproc__loan_claim(struct channel *channel, bool reading, struct loan **loan, uint64_t *reference)
{
    _Atomic uint64_t *place = &channel->loans;
    for (uint32_t first = 1;; first += TABLE_LOANS) {
        struct loan_table *table = table_at(place);
        if (!table) {
            mproc_err err = add_table(place, first);
            if (err != MPROC_OK)
                return err;
            table = table_at(place);
        }
        if (!table || table->number != first)
            return mproc__channel_damaged("the table of items that are lent or borrowed");
        for (uint32_t i = 0; i < TABLE_LOANS; i++) {
            process_token nobody = 0;
            uint32_t at = reading ? TABLE_LOANS - 1 - i : i;
            *loan = &table->loan[at];
            if (atomic_load_explicit(&(*loan)->owner, memory_order_relaxed) == 0 &&
                atomic_compare_exchange_strong(&(*loan)->owner, &nobody, mproc__self_token())) {
                MPROC_FAULT("loans.claimed");
                (*loan)->deliveries = 0;
                *reference = reference_of(*loan, first + at);
                return MPROC_OK;
            }
        }
        place = &table->next;
    }
}

struct loan *mproc__loan_at(struct channel *channel, uint64_t reference)
{
    uint32_t number = (uint32_t) reference;
    struct loan_table *table = first_table(channel);
    for (; table && number > TABLE_LOANS; number -= TABLE_LOANS)
        table = table_after(table);
    struct loan *loan = table && number > 0 ? &table->loan[number - 1] : NULL;
    return loan && loan->generation == reference >> 32 ? loan : NULL;
}

void mproc__loan_clear(struct loan *loan)
{
    /* First the block: who dies in between must not be thought to have it, it may be the ring's by now. */
    mproc__loan_set_block(loan, 0);
    MPROC_FAULT("loans.emptied");
    mproc__loan_set_state(loan, LOAN_NOTHING);
    loan->generation++;
    MPROC_FAULT("loans.clearing");
    mproc__loan_set_owner(loan, 0);
}

uint64_t mproc__loan_take_block(struct loan *loan)
{
    uint64_t block = atomic_exchange(&loan->block, 0);
    if (block)
        mproc__loan_clear(loan);
    return block;
}

void mproc__loan_end(struct loan *loan)
{
    mproc__arena_free(BLOCK_ITEM, atomic_load_explicit(&loan->block, memory_order_relaxed));
    MPROC_FAULT("loans.freed");
    mproc__loan_clear(loan);
}

void mproc__loan_drop(struct loan *loan)
{
    uint64_t block = atomic_load(&loan->block);
    if (block && mproc__object(BLOCK_ITEM, block))
        mproc__loan_end(loan);
    else
        mproc__loan_clear(loan);
}

void mproc__loan_give_back(struct channel *channel, struct loan *loan)
{
    loan->generation++;
    mproc__loan_set_state(loan, LOAN_RETURNED);
    MPROC_FAULT("loans.returned");
    mproc__loan_set_owner(loan, LOAN_NOBODY);
    atomic_fetch_add(&channel->returned, 1);
}

static struct loan *find_returned(struct channel *channel, uint64_t *reference)
{
    uint32_t first = 1;
    struct loan_table *table = first_table(channel);
    for (; table; table = table_after(table), first += TABLE_LOANS)
        for (uint32_t i = TABLE_LOANS; i-- > 0;) /* as they were claimed */
            if (atomic_load(&table->loan[i].owner) == LOAN_NOBODY) {
                *reference = reference_of(&table->loan[i], first + i);
                return &table->loan[i];
            }
    return NULL;
}

struct loan *mproc__loan_returned(struct channel *channel, uint64_t *reference)
{
    /* The count is wrong if somebody died beside it. Who gives back does not hold the latch: his counting
     * while we looked means that we look again. */
    struct loan *loan;
    uint32_t count;
    do {
        count = atomic_load(&channel->returned);
        loan = find_returned(channel, reference);
    } while (!loan && !atomic_compare_exchange_strong(&channel->returned, &count, 0));
    return loan;
}

/* Whether the entry is a dead process's. Its owner may have been alive when it was read, have given the
 * entry up, and have died then: only what it has after its death it will have for ever. Who was seen alive two
 * milliseconds ago is not looked at again: a get that is tried over and over would cost a system call an owner each
 * time, and nothing is lost, as the next one looks. */
static bool is_of_the_dead(struct loan *loan)
{
    process_token owner = atomic_load(&loan->owner);
    MPROC_FAULT("loans.owner_read");
    return owner != 0 && owner != LOAN_NOBODY && owner != mproc__self_peek() && !mproc__token_alive(owner) &&
           atomic_load(&loan->owner) == owner;
}

static bool sweep_loan(struct loan *loan)
{
    if (!is_of_the_dead(loan))
        return false;
    switch ((enum loan_state) atomic_load(&loan->state)) {
    case LOAN_PUTTING:
        return true;
    case LOAN_READING:
    case LOAN_RETURNED:
        /* Freed is acknowledged. */
        if (!mproc__object(BLOCK_ITEM, atomic_load(&loan->block))) {
            mproc__loan_clear(loan);
            break;
        }
        loan->generation++;
        mproc__loan_set_state(loan, LOAN_RETURNED);
        MPROC_FAULT("loans.sweeping");
        mproc__loan_set_owner(loan, LOAN_NOBODY);
        break;
    default:
        mproc__loan_drop(loan);
    }
    return false;
}

/* One round over the table. How many are given back. */
static uint32_t sweep_all(struct channel *channel, bool *putting)
{
    uint32_t returned = 0;
    for (struct loan_table *table = first_table(channel); table; table = table_after(table))
        for (int i = 0; i < TABLE_LOANS; i++) {
            *putting |= sweep_loan(&table->loan[i]);
            returned += atomic_load(&table->loan[i].owner) == LOAN_NOBODY;
        }
    return returned;
}

bool mproc__loans_sweep(struct channel *channel)
{
    bool putting = false;
    uint32_t count, returned;
    do {
        count = atomic_load(&channel->returned);
        returned = sweep_all(channel, &putting);
    } while (!atomic_compare_exchange_strong(&channel->returned, &count, returned));
    return putting;
}

bool mproc__loans_awaited(struct channel *channel)
{
    process_token me = mproc__self_peek();
    bool others = false;
    for (struct loan_table *table = first_table(channel); table; table = table_after(table))
        for (int i = 0; i < TABLE_LOANS; i++) {
            process_token owner = atomic_load(&table->loan[i].owner);
            uint32_t state = atomic_load(&table->loan[i].state);
            if (owner == 0 || (state != LOAN_READING && state != LOAN_RETURNED))
                continue;
            if (owner == me)
                return false;
            others = true;
        }
    return others;
}

void mproc__loans_destroy(struct channel *channel)
{
    uint64_t handle = atomic_load(&channel->loans);
    while (handle) {
        struct loan_table *table = mproc__object(BLOCK_ITEM, handle);
        uint64_t next = table ? atomic_load(&table->next) : 0;
        for (int i = 0; table && i < TABLE_LOANS; i++) {
            uint64_t block = atomic_load(&table->loan[i].block);
            if (block && mproc__object(BLOCK_ITEM, block))
                mproc__arena_free(BLOCK_ITEM, block);
        }
        mproc__arena_free(BLOCK_ITEM, handle);
        handle = next;
    }
}
