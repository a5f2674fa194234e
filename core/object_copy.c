/* SPDX-License-Identifier: MIT */
/* Copies: through a pickle, which keeps shared parts and cycles. */
#include "error.h"
#include "mproc/pickle.h"
#include "object.h"
#include "opcodes.h"

mproc_err mproc_object_copy(mproc_object **copy, const mproc_object *object)
{
    if (!copy || !object)
        return mproc__fail(MPROC_EINVAL, "mproc_object_copy: copy or object is NULL; None is mproc_none()");
    mproc_pickle_options options = { .protocol = MPROC__HIGHEST_PROTOCOL, .keep_unknown = true };
    mproc_buffer pickle = MPROC_BUFFER_INIT;
    mproc_err err = mproc_pickle_dumps(object, &pickle, &options);
    if (err == MPROC_OK)
        err = mproc_pickle_loads(copy, pickle.data, pickle.size, &options);
    mproc_buffer_free(&pickle);
    return err;
}
