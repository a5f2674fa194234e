/* SPDX-License-Identifier: MIT */
/* A list of simple values in named shared memory, byte for byte that of Python's
 * multiprocessing.shared_memory.ShareableList; but for a str that is not ASCII. Python counts its characters where
 * it means bytes: such a text may get too little room in a list of Python's, and loses its end there, be it in the
 * middle of a character. A list of mproc's has room for it; each reads the other's lists. */
#ifndef MPROC_SHAREABLE_LIST_H
#define MPROC_SHAREABLE_LIST_H

#include "shared_memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As one process has it; its name travels. Its length never changes, the values do. Nothing guards them:
 * use a lock if several processes write. */
typedef struct mproc_shareable_list mproc_shareable_list;

typedef enum mproc_shareable_kind {
    MPROC_SHAREABLE_NONE,
    MPROC_SHAREABLE_BOOL,
    MPROC_SHAREABLE_INT,
    MPROC_SHAREABLE_FLOAT,
    MPROC_SHAREABLE_STR,  /* UTF-8; in a list that Python made it may be cut */
    MPROC_SHAREABLE_BYTES
} mproc_shareable_kind;

/* A value. Trailing zero bytes of str and bytes are lost, as in Python. */
typedef struct mproc_shareable {
    mproc_shareable_kind kind;
    int64_t integer;   /* bool: 0 or 1 */
    double real;
    const char *data;  /* str and bytes: not ended by a zero. From a list: inside it, until it is set or closed */
    size_t size;
} mproc_shareable;

/* Values to put into a list. They only point to a str or bytes, which must stay until the call that gets the value
 * has returned: that copies it. */
MPROC_API mproc_shareable mproc_shareable_none(void);
MPROC_API mproc_shareable mproc_shareable_bool(bool value);
MPROC_API mproc_shareable mproc_shareable_int(int64_t value);
MPROC_API mproc_shareable mproc_shareable_float(double value);
MPROC_API mproc_shareable mproc_shareable_str(const char *text);
MPROC_API mproc_shareable mproc_shareable_bytes(const void *bytes, size_t size);

/* Creates a list of these values; NULL for `name`: a new one. A str or bytes gets room for itself, rounded up to
 * 8 bytes and one more at least; at most 9,999,991 bytes. Errors as mproc_shared_memory_create. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_create(mproc_shareable_list **list, const char *name,
                                                               const mproc_shareable *values, size_t count);
/* The list of that name. MPROC_ENOTFOUND; MPROC_EPROTO: the segment holds no such list. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_attach(mproc_shareable_list **list, const char *name);
/* Unmaps it; the segment goes on. NULL is ignored. */
MPROC_API mproc_err mproc_shareable_list_close(mproc_shareable_list *list);

/* Its segment, for its name and to unlink it; not to be closed. (Python: shm.) */
MPROC_API mproc_shared_memory *mproc_shareable_list_memory(mproc_shareable_list *list);
/* How many items it has; 0 for NULL. (Python: len.) */
MPROC_API size_t mproc_shareable_list_length(const mproc_shareable_list *list);

/* list[index]; -1 is the last. MPROC_EINVAL: there is no such item; MPROC_EPROTO: what lies there is none. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_get(const mproc_shareable_list *list, int64_t index,
                                                            mproc_shareable *value);
/* list[index] = value, of any kind. MPROC_EMSGSIZE: the str or bytes does not fit into the item's room (Python:
 * ValueError "bytes/str item exceeds available storage"); nothing is changed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_set(mproc_shareable_list *list, int64_t index,
                                                            const mproc_shareable *value);

/* How many items equal the value, as Python compares: 1, 1.0 and True are equal, 2^53 + 1 and 2.0^53 are not, and no
 * item ends with a zero byte. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_count(const mproc_shareable_list *list,
                                                              const mproc_shareable *value, size_t *count);
/* The first of them; MPROC_ENOTFOUND. */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_index(const mproc_shareable_list *list,
                                                              const mproc_shareable *value, size_t *index);
/* The formats of all items one after the other ("qd16s"), as snprintf writes: at most `size` bytes with the
 * final zero; *length is the whole without it (may be NULL). (Python: format.) */
MPROC_API MPROC_MUST_USE mproc_err mproc_shareable_list_format(const mproc_shareable_list *list, char *text,
                                                               size_t size, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
