/* SPDX-License-Identifier: MIT */
/* A function's name across processes: the image that holds it and its offset there. */
#ifndef MPROC_CORE_FUNCTION_H
#define MPROC_CORE_FUNCTION_H

#include "platform.h"

/* MPROC_EINVAL if no image holds `function`. *image is valid until the next call. Callers hold mproc__lock(). */
mproc_err mproc__function_describe(void (*function)(void), const struct mproc_plat_image **image,
                                   uint64_t *offset);
/* Whether what is known of libraries since *unloads may be wrong: some was unloaded, and another function may
 * lie where one did, or the system does not tell. The executable stays. Updates *unloads. */
bool mproc__libraries_changed(uint64_t *unloads);
/* The executable's own image. *image stays valid for ever. Callers hold mproc__lock(). */
mproc_err mproc__main_image(const struct mproc_plat_image **image);
/* The function at an offset of an image that lies at `base`. Always MPROC_OK. */
mproc_err mproc__function_at(uintptr_t base, uint64_t offset, void (**function)(void));
/* The function in this process. MPROC_EIMAGE. */
mproc_err mproc__function_find(const struct mproc_plat_image *image, uint64_t offset,
                               void (**function)(void));

#endif
