/* SPDX-License-Identifier: MIT */
/* Shared memory by name, as Python's multiprocessing.shared_memory has it: for programs of other
 * families, Python programs among them. Inside a family mproc_alloc() is simpler and leaves nothing behind. */
#ifndef MPROC_SHARED_MEMORY_H
#define MPROC_SHARED_MEMORY_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A segment as this process has it mapped. What travels to others is its name. */
typedef struct mproc_shared_memory mproc_shared_memory;

/* Creates a zeroed segment of `size` bytes, 1 and more, that only this user may open, and maps it. NULL for
 * `name`: a new one, such as "psm_1a2b3c4d". Names have no slash and at most 254 bytes (macOS 30).
 * MPROC_EEXIST: there is one of that name. MPROC_ENOMEM: there is no room for it (now; never SIGBUS later).
 * MPROC_EINVAL. Python: SharedMemory(name, create=True, size=size).
 *
 * It lives until it is unlinked (Windows: until nobody has it mapped). If this process crashes first, its
 * family unlinks it: its parent when it learns of the death, else the others when they end. What nobody has
 * unlinked when the family's first process ends is unlinked then, with a warning in the log; unless
 * mproc_shared_memory_keep() was called. If the whole family is killed, the next family of this user that creates
 * a segment unlinks what the killed processes had created (Linux 6.6 and later; elsewhere it stays). Segments
 * that mproc did not create are never unlinked by mproc itself. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shared_memory_create(mproc_shared_memory **memory, const char *name,
                                                              size_t size);

/* Maps the segment of that name. MPROC_ENOTFOUND; MPROC_EPERM. Python: SharedMemory(name).
 * Python before 3.13 that attaches to a segment unlinks it when it ends, unless it calls
 * resource_tracker.unregister("/" + name, "shared_memory"); later ones take track=False. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shared_memory_attach(mproc_shared_memory **memory, const char *name);

/* Where it begins here; valid until it is closed. (Python: buf.) */
MPROC_API void *mproc_shared_memory_pointer(const mproc_shared_memory *memory);
/* Its bytes: as asked for on Linux; macOS and, for who attaches, Windows round up to pages. */
MPROC_API size_t mproc_shared_memory_size(const mproc_shared_memory *memory);
/* Its name, without a slash before it; valid until it is closed; "" for NULL. (Python: name.) */
MPROC_API const char *mproc_shared_memory_name(const mproc_shared_memory *memory);

/* Unmaps it, and frees `memory`; the segment goes on. NULL is ignored. */
MPROC_API mproc_err mproc_shared_memory_close(mproc_shared_memory *memory);

/* Removes the name: nobody can attach any more; who has it mapped keeps it. Call it once, in one process.
 * MPROC_ENOTFOUND: the name is gone, or is another's by now. On Windows it does nothing. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shared_memory_unlink(mproc_shared_memory *memory);

/* It is to outlive the family: whoever wants it gone must unlink it. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shared_memory_keep(mproc_shared_memory *memory);

#ifdef __cplusplus
}
#endif
#endif
