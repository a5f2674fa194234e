/* SPDX-License-Identifier: MIT */
/* Items and ledgers of storms. */
#include "ledger.h"

#include "platform.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

#define TINY_LIFE UINT32_MAX
enum { TINY_MARK = 0x40 };

static uint32_t sum_of(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 2166136261u;
    for (size_t i = sizeof(struct item); i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum ^ (uint32_t) size;
}

uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

struct item item_make(unsigned char *bytes, uint32_t producer, uint32_t life, uint32_t number, size_t size)
{
    struct item item = { producer, life, number, (uint32_t) size, 0 };
    if (size == TINY_ITEM) {
        bytes[0] = (unsigned char) (TINY_MARK + producer);
        return (struct item){ producer, TINY_LIFE, 0, TINY_ITEM, 0 };
    }
    memset(bytes + sizeof item, (int) (number * 37 + life), size - sizeof item);
    for (size_t i = sizeof item; i < size; i += 97)
        bytes[i] = (unsigned char) (i + number);
    item.sum = sum_of(bytes, size);
    memcpy(bytes, &item, sizeof item);
    return item;
}

bool item_read(const unsigned char *bytes, size_t size, struct item *item)
{
    if (size == TINY_ITEM) {
        *item = (struct item){ (uint32_t) bytes[0] - TINY_MARK, TINY_LIFE, 0, TINY_ITEM, 0 };
        return bytes[0] >= TINY_MARK;
    }
    if (size < sizeof *item)
        return false;
    memcpy(item, bytes, sizeof *item);
    return item->size == size && item->sum == sum_of(bytes, size);
}

/* ---- ledgers ---- */

struct entry {
    uint32_t kind, producer, life, number;
};

static void name_of(char *name, size_t size, const char *role, int place)
{
    snprintf(name, size, "ledger-%s-%d", role, place);
}

FILE *ledger_open(const char *role, int place)
{
    char name[40];
    name_of(name, sizeof name, role, place);
    FILE *file = fopen(name, "ab");
    if (file)
        setvbuf(file, NULL, _IONBF, 0);
    return file;
}

void ledger_write(FILE *file, enum entry_kind kind, const struct item *item)
{
    struct entry entry = { kind, item->producer, item->life, item->number };
    if (fwrite(&entry, sizeof entry, 1, file) != 1)
        abort();
}

void ledgers_clear(int first, int places)
{
    char name[40];
    for (int place = first; place < first + places; place++) {
        name_of(name, sizeof name, "put", place);
        remove(name);
        name_of(name, sizeof name, "get", place);
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
    name_of(name, sizeof name, role, place);
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

static void count_item(struct tally *tally, bool tiny, const int count[4])
{
    if (tiny) {
        tally->put += count[PUT];
        tally->got += count[GOT];
        tally->lost += count[PUT] > count[GOT] ? count[PUT] - count[GOT] : 0;
        tally->twice += count[GOT] > count[BEGUN] ? count[GOT] - count[BEGUN] : 0;
        return;
    }
    tally->put += count[PUT] > 0;
    tally->got += count[GOT] > 0;
    tally->lost += count[PUT] > 0 && count[GOT] == 0;
    tally->twice += count[GOT] > 1;
    tally->unknown += count[GOT] > 0 && count[BEGUN] == 0;
}

struct tally ledgers_tally(int first, int places)
{
    struct ledger ledger = { NULL, 0, 0 };
    struct tally tally = { 0 };
    for (int place = first; place < first + places; place++) {
        ledger_read(&ledger, "put", place);
        ledger_read(&ledger, "get", place);
    }
    if (ledger.count > 0)
        qsort(ledger.entries, ledger.count, sizeof(struct entry), by_item);
    for (size_t i = 0; i < ledger.count;) {
        int count[4] = { 0 };
        struct entry one = ledger.entries[i];
        for (; i < ledger.count && ledger.entries[i].producer == one.producer &&
               ledger.entries[i].life == one.life && ledger.entries[i].number == one.number; i++)
            count[ledger.entries[i].kind]++;
        count_item(&tally, one.life == TINY_LIFE, count);
    }
    free(ledger.entries);
    return tally;
}

/* ---- how many, and which ---- */

int kills_to_do(int usual, int slow)
{
    const char *text = getenv("MPROC_STORM_KILLS");
    if (text && atoi(text) > 0)
        return atoi(text);
    return system_is_windows() ? slow : usual;
}

uint32_t storm_seed(void)
{
    const char *text = getenv("MPROC_STORM_SEED");
    uint32_t seed = text ? (uint32_t) strtoul(text, NULL, 10) : (uint32_t) mproc_plat_now();
    return seed | 1;
}
