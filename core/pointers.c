/* SPDX-License-Identifier: MIT */
/* Objects by place and generation, as processes are in children.c. All under mproc__lock(). */
#include "pointers.h"

#include "runtime.h"
#include "self.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_BITS = 20, ALIGNMENT_BITS = 4 };

struct place {
    void *object;
    enum object_kind kind;
    uint32_t generation;
    uint32_t users;
    bool held;         /* one of them has it for itself */
    int64_t users_pid; /* whose threads they are: a forked child has none of its parent's */
};
static struct place *places;
static size_t place_count;

static const char *const kinds[] = { "", "connection", "listener" };

static void *pointer_to(size_t index)
{
    uintptr_t value = (uintptr_t) places[index].generation << INDEX_BITS | (index + 1);
    return (void *) (value << ALIGNMENT_BITS);
}

static mproc_err find(const void *pointer, enum object_kind kind, struct place **found)
{
    uintptr_t value = (uintptr_t) pointer >> ALIGNMENT_BITS;
    size_t index = value & ((1u << INDEX_BITS) - 1);
    if (!pointer || index == 0 || index > place_count)
        return mproc__fail(MPROC_EINVAL, "%s %s pointer: make one first", pointer ? "a wild" : "NULL",
                           kinds[kind]);
    struct place *place = &places[index - 1];
    if (!place->object || pointer_to(index - 1) != pointer)
        return mproc__fail(MPROC_ECLOSED, "this %s was closed", kinds[kind]);
    if (place->kind != kind)
        return mproc__fail(MPROC_EINVAL, "the pointer is of a %s, not of a %s", kinds[place->kind],
                           kinds[kind]);
    if (place->users_pid != mproc__self()->pid) {
        place->users_pid = mproc__self()->pid;
        place->users = 0;
        place->held = false;
    }
    *found = place;
    return MPROC_OK;
}

static mproc_err add(enum object_kind kind, void *object, void **pointer)
{
    size_t index = 0;
    while (index < place_count && places[index].object)
        index++;
    if (index == place_count) {
        size_t count = place_count ? place_count * 2 : 64;
        struct place *more = count < 1u << INDEX_BITS ? realloc(places, count * sizeof *more) : NULL;
        if (!more)
            return mproc__fail(MPROC_ENOMEM, "no memory for one more %s; close some", kinds[kind]);
        memset(more + place_count, 0, (count - place_count) * sizeof *more);
        places = more;
        place_count = count;
    }
    struct place *place = &places[index];
    place->object = object;
    place->kind = kind;
    place->generation++;
    place->users = 0;
    place->held = false;
    *pointer = pointer_to(index);
    return MPROC_OK;
}

mproc_err mproc__object_add(enum object_kind kind, void *object, void **pointer)
{
    mproc__lock();
    mproc_err err = add(kind, object, pointer);
    mproc__unlock();
    return err;
}

mproc_err mproc__object_enter(const void *pointer, enum object_kind kind, void *object)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    struct place *place = NULL;
    mproc__lock();
    err = find(pointer, kind, &place);
    if (err == MPROC_OK && place->held)
        err = mproc__fail(MPROC_ESTATE, "another thread is handing this %s over", kinds[kind]);
    if (err == MPROC_OK) {
        place->users++;
        memcpy(object, &place->object, sizeof place->object);
    }
    mproc__unlock();
    return err;
}

/* Of a pointer that has been entered. */
static struct place *place_of(const void *pointer)
{
    return &places[((uintptr_t) pointer >> ALIGNMENT_BITS & ((1u << INDEX_BITS) - 1)) - 1];
}

void mproc__object_leave(const void *pointer)
{
    mproc__lock();
    place_of(pointer)->users--;
    mproc__unlock();
}

static mproc_err in_use(enum object_kind kind)
{
    return mproc__fail(MPROC_ESTATE, "another thread is in a call with this %s; let it return before", kinds[kind]);
}

mproc_err mproc__object_hold(const void *pointer, enum object_kind kind)
{
    struct place *place = NULL;
    mproc__lock();
    mproc_err err = find(pointer, kind, &place);
    if (err == MPROC_OK && place->users > 1)
        err = in_use(kind);
    if (err == MPROC_OK)
        place->held = true;
    mproc__unlock();
    return err;
}

void mproc__object_let_go(const void *pointer)
{
    mproc__lock();
    place_of(pointer)->held = false;
    mproc__unlock();
}

mproc_err mproc__object_remove(const void *pointer, enum object_kind kind, unsigned own, void *object)
{
    mproc_err err = mproc__check_init();
    if (err != MPROC_OK)
        return err;
    struct place *place = NULL;
    mproc__lock();
    err = find(pointer, kind, &place);
    if (err == MPROC_OK && place->users > own)
        err = in_use(kind);
    if (err == MPROC_OK) {
        memcpy(object, &place->object, sizeof place->object);
        place->object = NULL;
        place->users = 0;
    }
    mproc__unlock();
    return err;
}

void *mproc__object_next(enum object_kind kind, size_t *at)
{
    void *object = NULL;
    mproc__lock();
    while (!object && *at < place_count) {
        struct place *place = &places[(*at)++];
        if (place->object && place->kind == kind)
            object = place->object;
    }
    mproc__unlock();
    return object;
}
