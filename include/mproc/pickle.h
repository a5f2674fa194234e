/* SPDX-License-Identifier: MIT */
/* Objects as bytes, in Python's pickle format, protocols 2 to 5: what Python's pickle.dumps() writes,
 * mproc reads, and the other way round. Data only: reading never imports and never calls anything.
 *
 * Protocol 2 names classes as Python 2 did: these names become today's when it is read, and are written
 * when it is written, as Python does.
 *
 * Out-of-band buffers (protocol 5) and persistent ids are refused. */
#ifndef MPROC_PICKLE_H
#define MPROC_PICKLE_H

#include "object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every field. */
typedef struct mproc_pickle_options {
    int protocol;      /* to write: 2 to 5; 0: 4, as Python 3.8 to 3.13 */
    int max_depth;     /* containers in containers, as they are written; what is filled after it was put into
                        * another may be deeper. 0: 1000, which is also the most */
    size_t max_size;   /* of the pickle in bytes; 0: no limit */
    size_t max_memo;   /* to write: objects that may be referred to again; to read: places in the memo, of which
                        * Python gives one to nearly every object; 0: no limit but the pickle's length */
    bool keep_unknown; /* to read: unknown classes become MPROC_TYPE_INSTANCE, not an error */
    void *reserved[4]; /* zero */
} mproc_pickle_options;

/* Python: pickle.dumps(object, protocol). What the buffer held is replaced. An object that occurs
 * twice is written once and referred to, so sharing and cycles through lists, dicts and sets survive.
 * MPROC_EINVAL: nested too deep, a cycle through a tuple or frozenset only, or an instance that the protocol
 * has no opcode for; MPROC_EMSGSIZE: longer than max_size, or more shared objects than max_memo; MPROC_ENOMEM.
 * After an error the buffer is empty. A buffer without memory gets at most twice as much as the pickle takes,
 * and 1 KiB. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pickle_dumps(const mproc_object *object, mproc_buffer *pickle,
                                                      const mproc_pickle_options *options);

/* Python: pickle.loads(data). Bytes behind the end of the pickle are ignored, as in Python. *object is
 * yours. Sets and bytes of protocols 2 and 3, bytearrays, and exceptions by name become what they are, and
 * the names of these classes alone MPROC_TYPE_GLOBAL; any other class or function is MPROC_EPROTO, and the
 * sentence names it, unless options say keep_unknown. MPROC_EPROTO: truncated or corrupted, nested too deep,
 * of protocol 0 or 1, or (with keep_unknown) with a call for its effect; MPROC_EMSGSIZE: longer than
 * max_size, or more memo than max_memo; MPROC_ENOMEM. Asks malloc() for at most 80 bytes a byte of pickle, and
 * one page, while it reads. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pickle_loads(mproc_object **object, const void *data, size_t size,
                                                      const mproc_pickle_options *options);

#ifdef __cplusplus
}
#endif
#endif
