/* SPDX-License-Identifier: MIT */
/* Items of a channel that are read where they lie, and come back when their reader dies; loans.h has the
 * table. */
#include "channel_ring.h"

/* Copies the item at the cursor, which is there to its end, into `block` and passes it. False: its
 * putter had died. */
static bool assemble(struct cursor *cursor, char *block)
{
    for (;;) {
        uint64_t *record = record_at(cursor);
        enum record_kind kind = kind_of(*record);
        uint64_t length = kind == RECORD_ABORT ? 0 : bytes_of(*record);
        uint32_t first = kind == RECORD_FIRST;
        memcpy(block, record + 1 + first, length);
        block += length;
        if (first)
            cursor->place.bytes += record[1];
        else if (kind == RECORD_WHOLE)
            cursor->place.bytes += length;
        pass(cursor, kind == RECORD_ABORT ? 1 : units_of(length) + first);
        if (kind == RECORD_ABORT || kind == RECORD_LAST || kind == RECORD_WHOLE)
            return kind != RECORD_ABORT;
    }
}

/* Fills a claimed entry with the item at the cursor, and takes that out of the ring. */
static mproc_err move_to_loan(struct cursor *cursor, struct taking *taking)
{
    struct end *get = &cursor->channel->get;
    struct loan *loan = taking->loan;
    uint64_t *record = record_at(cursor), block = 0;
    bool in_block = kind_of(*record) == RECORD_BLOCK, whole = true;
    loan->size = in_block ? record[2] : kind_of(*record) == RECORD_FIRST ? record[1] : bytes_of(*record);
    if (!in_block) {
        mproc_err err = mproc__arena_alloc_dirty(BLOCK_ITEM, loan->size ? loan->size : 1, &block);
        if (err != MPROC_OK)
            return err;
    }
    mproc__loan_set_block(loan, in_block ? record[1] : block);
    mproc__loan_set_state(loan, in_block ? LOAN_TAKING : LOAN_TAKING_COPY);
    MPROC_FAULT("channel.borrow_taking");
    if (in_block) {
        cursor->place.bytes += loan->size;
        pass(cursor, 3);
    } else {
        whole = assemble(cursor, mproc__object(BLOCK_ITEM, block));
    }
    mproc__channel_commit_get(cursor, whole);
    if (!whole) {
        mproc__loan_set_block(loan, 0);
        mproc__loan_set_state(loan, LOAN_NOTHING);
        mproc__arena_free(BLOCK_ITEM, block);
        return MPROC_EDIED;
    }
    mproc__loan_set_state(loan, LOAN_READING);
    MPROC_FAULT("channel.borrow_taken");
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
    get->journal = taking->reference;
    MPROC_FAULT("channel.borrow_noted");
    err = move_to_loan(cursor, taking);
    if (err != MPROC_OK) {
        mproc__loan_clear(taking->loan);
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
        const void *bytes = mproc__object(BLOCK_ITEM, atomic_load(&loan->block));
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
