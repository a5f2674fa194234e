/* SPDX-License-Identifier: MIT */
/* Messages of unknown length. */
#include "take.h"

#include "error.h"

#include <stdlib.h>

enum { FIRST = 1024 }; /* most are no longer: they need not be asked for twice */

mproc_err mproc__take_alloc(mproc__take *take, void *context, int64_t deadline, void **bytes, size_t *size)
{
    for (uint64_t capacity = FIRST, length = 0;; capacity = length) {
        void *buffer = capacity <= SIZE_MAX ? malloc((size_t) capacity) : NULL;
        if (!buffer)
            return mproc__fail(MPROC_ENOMEM, "no memory for a message of %llu bytes; it is kept",
                               (unsigned long long) capacity);
        mproc_err err = take(context, buffer, capacity, &length, deadline);
        if (err == MPROC_OK) {
            void *exact = realloc(buffer, length ? (size_t) length : 1);
            *bytes = exact ? exact : buffer;
            *size = (size_t) length;
            return MPROC_OK;
        }
        free(buffer);
        /* Another one may take the long one meanwhile, and the next be longer. */
        if (err != MPROC_EMSGSIZE)
            return err;
    }
}
