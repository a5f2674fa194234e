/* SPDX-License-Identifier: MIT */
/* Breadth-first over a hash table of the states that have been seen. */
#include "explore.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    unsigned char state[MODEL_STATE];
    size_t parent; /* index + 1 of the state before; 0: the first */
    int thread;
};

/* Of the hash table: most states that are not the one looked for differ in their hash. */
struct slot {
    uint32_t hash;
    uint32_t index; /* + 1; 0: free */
};

struct search {
    const struct model *model;
    struct node *nodes;
    size_t count, room;
    struct slot *table;
    size_t table_size;
};

static uint32_t hash_of(const unsigned char *state)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < MODEL_STATE; i += sizeof hash) {
        uint64_t word;
        memcpy(&word, state + i, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return (uint32_t) hash;
}

static void *must_have(void *memory)
{
    if (!memory) {
        fprintf(stderr, "no memory for the states\n");
        exit(2);
    }
    return memory;
}

/* Where one with this hash is, or will be: after all that are there already. */
static struct slot *first_slot(const struct search *search, uint32_t hash)
{
    return &search->table[(uint64_t) hash * search->table_size >> 32];
}

static struct slot *next_slot(const struct search *search, struct slot *slot)
{
    return slot + 1 == search->table + search->table_size ? search->table : slot + 1;
}

static void grow(struct search *search)
{
    struct slot *old = search->table;
    size_t old_size = search->table_size;
    search->room = search->room ? search->room * 2 : 1 << 12;
    search->nodes = must_have(realloc(search->nodes, search->room * sizeof *search->nodes));
    search->table_size = search->room * 2;
    search->table = must_have(calloc(search->table_size, sizeof *search->table));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].index) {
            struct slot *slot = first_slot(search, old[i].hash);
            while (slot->index)
                slot = next_slot(search, slot);
            *slot = old[i];
        }
    free(old);
}

/* Nothing if the state was there already. */
static void add(struct search *search, const unsigned char *state, size_t parent, int thread)
{
    if (search->count == search->room)
        grow(search);
    uint32_t hash = hash_of(state);
    struct slot *slot = first_slot(search, hash);
    for (; slot->index; slot = next_slot(search, slot))
        if (slot->hash == hash && memcmp(search->nodes[slot->index - 1].state, state, MODEL_STATE) == 0)
            return;
    struct node *node = &search->nodes[search->count++];
    memcpy(node->state, state, MODEL_STATE);
    node->parent = parent;
    node->thread = thread;
    *slot = (struct slot){ hash, (uint32_t) search->count };
}

static void print_way(const struct search *search, size_t index)
{
    if (search->nodes[index].parent)
        print_way(search, search->nodes[index].parent - 1);
    printf("    thread %d: ", search->nodes[index].thread);
    search->model->print(search->nodes[index].state);
}

/* Adds all states after this one; how many there are, new or not. */
static size_t follow(struct search *search, size_t index)
{
    size_t after = 0;
    for (int thread = 0; thread < search->model->threads; thread++)
        for (int choice = 0;; choice++) {
            unsigned char state[MODEL_STATE];
            memcpy(state, search->nodes[index].state, sizeof state);
            if (!search->model->step(state, thread, choice))
                break;
            after++;
            add(search, state, index + 1, thread);
        }
    return after;
}

const char *explore(const struct model *model, const void *initial, bool verbose, size_t *states)
{
    struct search search = { .model = model };
    const char *wrong = NULL;
    size_t next = 0;
    unsigned char first[MODEL_STATE] = { 0 };
    memcpy(first, initial, model->size);
    add(&search, first, 0, -1);
    for (; next < search.count && !wrong; next++) {
        wrong = model->check(search.nodes[next].state);
        if (!wrong && follow(&search, next) == 0)
            wrong = model->check_end(search.nodes[next].state);
    }
    if (wrong && verbose) {
        printf("  %s: %s\n", model->name, wrong);
        print_way(&search, next - 1);
    }
    *states = search.count;
    free(search.nodes);
    free(search.table);
    return wrong;
}
