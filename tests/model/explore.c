/* SPDX-License-Identifier: MIT */
/* Depth-first over a hash table of the states that have been seen. */
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

struct search {
    const struct model *model;
    struct node *nodes;
    size_t count, room;
    size_t *table; /* index + 1; 0: free */
    size_t table_size;
};

static uint64_t hash_of(const unsigned char *bytes, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 29;
}

static void *must_have(void *memory)
{
    if (!memory) {
        fprintf(stderr, "no memory for the states\n");
        exit(2);
    }
    return memory;
}

static void put(struct search *search, size_t index)
{
    size_t place = hash_of(search->nodes[index].state, search->model->size) % search->table_size;
    while (search->table[place])
        place = (place + 1) % search->table_size;
    search->table[place] = index + 1;
}

static void grow(struct search *search)
{
    search->room = search->room ? search->room * 2 : 1 << 12;
    search->nodes = must_have(realloc(search->nodes, search->room * sizeof *search->nodes));
    free(search->table);
    search->table_size = search->room * 2 + 1;
    search->table = must_have(calloc(search->table_size, sizeof *search->table));
    for (size_t i = 0; i < search->count; i++)
        put(search, i);
}

/* False if the state was there already. */
static bool add(struct search *search, const void *state, size_t parent, int thread)
{
    size_t size = search->model->size;
    if (search->count == search->room)
        grow(search);
    for (size_t place = hash_of(state, size) % search->table_size; search->table[place];
         place = (place + 1) % search->table_size)
        if (memcmp(search->nodes[search->table[place] - 1].state, state, size) == 0)
            return false;
    struct node *node = &search->nodes[search->count];
    memset(node, 0, sizeof *node);
    memcpy(node->state, state, size);
    node->parent = parent;
    node->thread = thread;
    put(search, search->count++);
    return true;
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
    add(&search, initial, 0, -1);
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
