/* SPDX-License-Identifier: MIT */
/* Functions as (image, offset), remembered since programs start the same few again and again. */
#include "function.h"

#include <stdlib.h>
#include <string.h>

struct known_image {
    struct mproc_plat_image image;
    struct known_image *next;
};
struct known_function {
    void (*function)(void);
    const struct mproc_plat_image *image;
};

static struct known_image *images;
static struct known_function recent[16];
static unsigned next_recent;

/* ISO C has no conversion between the two kinds of pointers. */
static const void *address_of(void (*function)(void))
{
    const void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}

static const struct mproc_plat_image *remember(const struct mproc_plat_image *image)
{
    for (struct known_image *known = images; known; known = known->next)
        if (known->image.base == image->base && strcmp(known->image.path, image->path) == 0)
            return &known->image;
    struct known_image *known = malloc(sizeof *known);
    if (!known)
        return NULL;
    known->image = *image;
    known->next = images;
    images = known;
    return &known->image;
}

mproc_err mproc__function_describe(void (*function)(void), const struct mproc_plat_image **image,
                                   uint64_t *offset)
{
    for (size_t i = 0; i < sizeof recent / sizeof recent[0]; i++)
        if (recent[i].function == function && function) {
            *image = recent[i].image;
            *offset = (uintptr_t) address_of(function) - (*image)->base;
            return MPROC_OK;
        }
    struct mproc_plat_image *found = malloc(sizeof *found);
    if (!found)
        return mproc__fail(MPROC_ENOMEM, "no memory to name a function");
    mproc_err err = mproc_plat_image_of(address_of(function), found);
    const struct mproc_plat_image *known = err == MPROC_OK ? remember(found) : NULL;
    free(found);
    if (err != MPROC_OK)
        return err;
    if (!known)
        return mproc__fail(MPROC_ENOMEM, "no memory to name a function");
    recent[next_recent++ % (sizeof recent / sizeof recent[0])] = (struct known_function){ function, known };
    *image = known;
    *offset = (uintptr_t) address_of(function) - known->base;
    return MPROC_OK;
}

/* A function that is certainly in the executable does not exist if mproc is a shared library, so the
 * platform is asked for the image by its role. */
mproc_err mproc__main_image(const struct mproc_plat_image **image)
{
    for (struct known_image *known = images; known; known = known->next)
        if (known->image.main) {
            *image = &known->image;
            return MPROC_OK;
        }
    struct known_image *found = calloc(1, sizeof *found);
    if (!found)
        return mproc__fail(MPROC_ENOMEM, "no memory to name the executable");
    mproc_err err = mproc_plat_image_main(&found->image);
    if (err != MPROC_OK) {
        free(found);
        return err;
    }
    found->next = images;
    images = found;
    *image = &found->image;
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
