/* SPDX-License-Identifier: MIT */
/* Items that can be told from each other and say whether they are whole, and a ledger of what has become of each:
 * files, outside the arena, one for each place, written by one process at a time. */
#ifndef MPROC_TESTS_LEDGER_H
#define MPROC_TESTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct item {
    uint32_t producer, life, number, size, sum;
};
/* An item of one byte says of itself only whose it is: such are counted. */
enum { TINY_ITEM = 1, SMALLEST_ITEM = sizeof(struct item) };

/* Writes `size` bytes: TINY_ITEM, or SMALLEST_ITEM and more. Gives what the ledger is to say of it. */
struct item item_make(unsigned char *bytes, uint32_t producer, uint32_t life, uint32_t number, size_t size);
/* False: it is torn. */
bool item_read(const unsigned char *bytes, size_t size, struct item *item);
uint32_t random_next(uint32_t *state);

enum entry_kind { BEGUN = 1, PUT, GOT };

/* NULL if there is none. `role`: "put" or "get". */
FILE *ledger_open(const char *role, int place);
void ledger_write(FILE *file, enum entry_kind kind, const struct item *item);
/* Removes what a run that was cut short has left. */
void ledgers_clear(int first, int places);

struct tally {
    int put, got;
    int lost;    /* put, and never got */
    int twice;   /* got more often than once; of tiny ones: than begun */
    int unknown; /* got, and nobody has begun to put it */
};
/* Reads and removes the ledgers of so many places, beginning with this one. */
struct tally ledgers_tally(int first, int places);

/* MPROC_STORM_KILLS in the environment, or else `usual`, or `slow` on systems where starting takes long. */
int kills_to_do(int usual, int slow);
/* MPROC_STORM_SEED in the environment, or else any. */
uint32_t storm_seed(void);

#endif
