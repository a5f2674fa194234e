/* SPDX-License-Identifier: MIT */
/* Functions as (image, offset), remembered since programs start the same few again and again. */
#include "function.h"

#include <stdlib.h>
#include <string.h>

struct known_function {
    void (*function)(void);
    struct mproc_plat_image *image; /* main_image, or its own */
};

static struct mproc_plat_image *main_image;
static struct known_function recent[16];
static unsigned next_recent;
static uint64_t unloads_seen;

/* ISO C has no conversion between the two kinds of pointers. */
static const void *address_of(void (*function)(void))
{
    const void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}

bool mproc__libraries_changed(uint64_t *unloads)
{
    uint64_t now = mproc_plat_image_unloads();
    bool changed = now != *unloads || now == UINT64_MAX;
    *unloads = now;
    return changed;
}

static void forget(struct known_function *known)
{
    if (known->image != main_image)
        free(known->image);
    *known = (struct known_function){ NULL, NULL };
}

static struct known_function *find_recent(void (*function)(void))
{
    for (size_t i = 0; i < sizeof recent / sizeof recent[0]; i++)
        if (recent[i].function == function && function)
            return &recent[i];
    return NULL;
}

/* What was said of libraries holds while none of them was unloaded. */
static void forget_libraries(void)
{
    if (!mproc__libraries_changed(&unloads_seen))
        return;
    for (size_t i = 0; i < sizeof recent / sizeof recent[0]; i++)
        if (recent[i].image != main_image)
            forget(&recent[i]);
}

static mproc_err ask_for_image(void (*function)(void), struct mproc_plat_image **image)
{
    const struct mproc_plat_image *unused;
    mproc_err err = mproc__main_image(&unused);
    if (err != MPROC_OK)
        return err;
    struct mproc_plat_image *found = malloc(sizeof *found);
    if (!found)
        return mproc__fail(MPROC_ENOMEM, "no memory to name a function");
    err = mproc_plat_image_of(address_of(function), found);
    if (err == MPROC_OK && !found->main) {
        *image = found;
        return MPROC_OK;
    }
    free(found);
    *image = main_image;
    return err;
}

mproc_err mproc__function_describe(void (*function)(void), const struct mproc_plat_image **image,
                                   uint64_t *offset)
{
    struct known_function *known = find_recent(function);
    if (!known || known->image != main_image) {
        forget_libraries();
        known = find_recent(function);
    }
    if (!known) {
        struct mproc_plat_image *asked = NULL;
        mproc_err err = ask_for_image(function, &asked);
        if (err != MPROC_OK)
            return err;
        known = &recent[next_recent++ % (sizeof recent / sizeof recent[0])];
        forget(known);
        *known = (struct known_function){ function, asked };
    }
    *image = known->image;
    *offset = (uintptr_t) address_of(function) - known->image->base;
    return MPROC_OK;
}

/* A function that is certainly in the executable does not exist if mproc is a shared library, so the
 * platform is asked for the image by its role. */
mproc_err mproc__main_image(const struct mproc_plat_image **image)
{
    if (!main_image) {
        struct mproc_plat_image *found = calloc(1, sizeof *found);
        if (!found)
            return mproc__fail(MPROC_ENOMEM, "no memory to name the executable");
        mproc_err err = mproc_plat_image_main(found);
        if (err != MPROC_OK) {
            free(found);
            return err;
        }
        main_image = found;
    }
    *image = main_image;
    return MPROC_OK;
}

mproc_err mproc__function_at(uintptr_t base, uint64_t offset, void (**function)(void))
{
    uintptr_t address = base + (uintptr_t) offset;
    memcpy(function, &address, sizeof address);
    return MPROC_OK;
}

mproc_err mproc__function_find(const struct mproc_plat_image *image, uint64_t offset,
                               void (**function)(void))
{
    uintptr_t base;
    mproc_err err = mproc_plat_image_find(image, &base);
    return err == MPROC_OK ? mproc__function_at(base, offset, function) : err;
}
