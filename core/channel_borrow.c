/* SPDX-License-Identifier: MIT */
/* Items of a channel that are read where they lie, and come back when their reader dies; loans.h has the
 * table. */
#include "channel_ring.h"
#include "stock.h"

/* Copies the item at the cursor, which is there to its end and begins with this record, into `block` and passes it.
 * MPROC_EDIED: its putter had died. */
static mproc_err assemble(struct cursor *cursor, struct record *record, char *block)
{
    uint64_t size = record->size;
    cursor->place.bytes += size;
    for (uint64_t got = 0;;) {
        if (record->bytes > size - got)
            return mproc__channel_damaged("an item in pieces");
        memcpy(block + got, record->data, record->bytes);
        got += record->bytes;
        pass(cursor, record->units);
        if (record->kind == RECORD_ABORT)
            return MPROC_EDIED;
        if (record->kind == RECORD_WHOLE || record->kind == RECORD_LAST)
            return got == size ? MPROC_OK : mproc__channel_damaged("an item in pieces");
        if (cursor->position == mproc__position_of(cursor->channel->get.other_seen))
            return mproc__channel_damaged("an item in pieces");
        mproc_err err = mproc__channel_read(cursor, record);
        if (err == MPROC_OK && (record->kind == RECORD_FIRST || record->size))
            err = mproc__channel_damaged("an item in pieces");
        if (err != MPROC_OK)
            return err;
    }
}

/* Fills a claimed entry with the item at the cursor, and takes that out of the ring. */
static mproc_err move_to_loan(struct cursor *cursor, struct taking *taking)
{
    struct end *get = &cursor->channel->get;
    struct loan *loan = taking->loan;
    struct record record;
    mproc_err err = mproc__channel_read(cursor, &record);
    if (err == MPROC_OK && record.kind == RECORD_FIRST) {
        /* Memory is taken for it only if it is there to its end. */
        err = mproc__channel_pass_over(cursor, record.size);
        err = err == MPROC_EMSGSIZE ? MPROC_OK : err;
    }
    uint64_t block = record.block;
    bool in_block = block != 0;
    if (err == MPROC_OK && !in_block)
        err = mproc__stock_take(cursor->channel, record.size, &block);
    if (err != MPROC_OK)
        return err;
    loan->size = record.size;
    /* First the state: of an entry with nothing in it a sweep would free the ring's block. */
    mproc__loan_set_state(loan, in_block ? LOAN_TAKING : LOAN_TAKING_COPY);
    MPROC_FAULT("channel.borrow_begun");
    mproc__loan_set_block(loan, block);
    MPROC_FAULT("channel.borrow_taking");
    if (in_block) {
        cursor->place.bytes += loan->size;
        pass(cursor, record.units);
    } else {
        err = assemble(cursor, &record, mproc__object(BLOCK_ITEM, block));
    }
    if (err == MPROC_OK || err == MPROC_EDIED)
        mproc__channel_commit_get(cursor, err == MPROC_OK);
    if (err != MPROC_OK) {
        mproc__loan_set_block(loan, 0);
        mproc__loan_set_state(loan, LOAN_NOTHING);
        mproc__arena_free(BLOCK_ITEM, block);
        return err;
    }
    mproc__loan_set_state(loan, LOAN_READING);
    MPROC_FAULT("channel.borrow_taken");
    in_order();
    get->journal = 0;
    return MPROC_OK;
}

mproc_err mproc__channel_borrow_item(struct cursor *cursor, struct taking *taking)
{
    struct end *get = &cursor->channel->get;
    mproc_err err = mproc__loan_claim(cursor->channel, true, &taking->loan, &taking->reference);
    if (err != MPROC_OK)
        return err;
    get->expected = items_after(cursor->word);
    in_order();
    get->journal = taking->reference;
    MPROC_FAULT("channel.borrow_noted");
    err = move_to_loan(cursor, taking);
    if (err != MPROC_OK) {
        mproc__loan_clear(taking->loan);
        in_order();
        get->journal = 0;
    }
    return err;
}

/* An item that was borrowed and given back goes to the next one, before all others. MPROC_ETIMEDOUT:
 * there is none. Killed before the free: it is still given back. */
mproc_err mproc__channel_take_returned(struct channel *channel, struct taking *taking)
{
    struct loan *loan;
    while (atomic_load(&channel->returned) && (loan = mproc__loan_returned(channel, &taking->reference))) {
        const void *bytes = mproc__channel_item_in(atomic_load(&loan->block), loan->size);
        if (!bytes) {
            mproc__loan_clear(loan);
            continue;
        }
        taking->size = loan->size;
        if (taking->borrow) {
            loan->deliveries++;
            mproc__loan_set_owner(loan, mproc__self_token());
            MPROC_FAULT("channel.returned_claimed");
            mproc__loan_set_state(loan, LOAN_READING);
            taking->loan = loan;
        } else {
            if (taking->size > taking->capacity)
                return MPROC_EMSGSIZE;
            memcpy(taking->buffer, bytes, taking->size);
            MPROC_FAULT("channel.returned_copied");
            mproc__loan_drop(loan);
        }
        atomic_fetch_sub(&channel->returned, 1);
        return MPROC_OK;
    }
    return MPROC_ETIMEDOUT;
}

/* Gives back what dead borrowers had. The caller holds the getting latch. */
void mproc__channel_sweep(struct channel *channel)
{
    if (atomic_load(&channel->loans) && mproc__loans_sweep(channel)) {
        mproc__channel_help_put(channel);
        mproc__loans_sweep(channel);
    }
}
