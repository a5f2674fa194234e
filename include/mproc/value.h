/* SPDX-License-Identifier: MIT */
/* Numbers and structs in shared memory, one or many: Value, Array, RawValue, RawArray. */
#ifndef MPROC_VALUE_H
#define MPROC_VALUE_H

#include "lock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ----
 * A type is one of Python's type codes, as a character constant, or MPROC_ITEM(any C type).
 *
 *   'c' char   'b' signed char   'h' short            'i' int            'l' long            'q' long long
 *   'u' wchar_t 'B' unsigned char 'H' unsigned short  'I' unsigned int   'L' unsigned long   'Q' unsigned long long
 *   'f' float  'd' double */
#define MPROC_ITEM(type) (256 + (int) sizeof(type))

/* ---- Value ---- */

/* One item. A plain value that means the same in every process of the family; {0} is none. */
typedef struct mproc_value {
    uint64_t id;
} mproc_value;

/* Of every call below: MPROC_EBADHANDLE: the value, array or lock was destroyed, or is {0} or of another kind;
 * MPROC_ENOINIT: before mproc_init(). */

/* Creates a zeroed one with a recursive lock of its own (Python: Value(type)), without a lock (RawValue), or with
 * a lock of yours (Value(type, lock=lock)), which must live as long. MPROC_EINVAL: no such type, or value is NULL;
 * MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_value_create(mproc_value *value, int type);
MPROC_API MPROC_MUST_USE mproc_err mproc_value_create_raw(mproc_value *value, int type);
MPROC_API MPROC_MUST_USE mproc_err mproc_value_create_lock(mproc_value *value, int type, mproc_rlock lock);
/* Destroys it, with its own lock. Nobody may use it. {0} is ignored. */
MPROC_API mproc_err mproc_value_destroy(mproc_value value);

/* Where the item lies in this process, aligned to 16; valid until it is destroyed. The lock is the caller's
 * affair. NULL, and MPROC_EBADHANDLE as the last error, for a stale handle. (Python: get_obj.) */
MPROC_API void *mproc_value_pointer(mproc_value value);
/* Its lock; {0} if it has none. (Python: get_lock.) */
MPROC_API mproc_rlock mproc_value_lock(mproc_value value);

/* Copies the item out or in, under its lock if it has one. If the lock answers other than MPROC_OK, so does this:
 * with MPROC_OWNERDEAD it is done, and the lock is held, to be called consistent and released. MPROC_EINVAL: item
 * is NULL. */
MPROC_API MPROC_MUST_USE mproc_err mproc_value_get(mproc_value value, void *item);
MPROC_API MPROC_MUST_USE mproc_err mproc_value_set(mproc_value value, const void *item);

/* Adds to a number, in one step (Python's `value.value += n` is two), and gives what is stored then (`result` may be
 * NULL). MPROC_EINVAL: it would overflow, and is unchanged. MPROC_ETYPE: it is no integer, no float;
 * MPROC_ESTATE: a raw value has no lock that makes it one step. MPROC_OWNERDEAD as above; if nothing was done, its
 * error comes first, and the next one to use the lock is told of the death. */
MPROC_API MPROC_MUST_USE mproc_err mproc_value_add_int(mproc_value value, int64_t number, int64_t *result);
MPROC_API MPROC_MUST_USE mproc_err mproc_value_add_float(mproc_value value, double number, double *result);

/* ---- Array ---- */

/* A fixed number of items. A plain value; {0} is none. */
typedef struct mproc_array {
    uint64_t id;
} mproc_array;

/* As mproc_value_create and its kin, with `length` items, 0 to what the arena holds. MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_array_create(mproc_array *array, int type, size_t length);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_create_raw(mproc_array *array, int type, size_t length);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_create_lock(mproc_array *array, int type, size_t length,
                                                           mproc_rlock lock);
/* As mproc_value_destroy. */
MPROC_API mproc_err mproc_array_destroy(mproc_array array);

/* Where item 0 lies in this process, as mproc_value_pointer; the others follow as in any C array. */
MPROC_API void *mproc_array_pointer(mproc_array array);
/* Its lock; {0} if it has none. (Python: get_lock.) */
MPROC_API mproc_rlock mproc_array_lock(mproc_array array);
/* How many items, and of how many bytes each; 0 for a stale handle. (Python: len.) */
MPROC_API size_t mproc_array_length(mproc_array array);
MPROC_API size_t mproc_array_item_size(mproc_array array);

/* Copies `count` items from `first` on out or in, under the lock if there is one, as mproc_value_get. MPROC_EINVAL:
 * some of them are not there; nothing is copied. (Python: array[first:first + count].) */
MPROC_API MPROC_MUST_USE mproc_err mproc_array_get(mproc_array array, size_t first, size_t count, void *items);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_set(mproc_array array, size_t first, size_t count,
                                                   const void *items);

/* One number of whatever type the items have, under the lock, as mproc_value_add_int. MPROC_EINVAL: no such item, or
 * the number does not fit into the type (of a float: beyond FLT_MAX); MPROC_ETYPE: the items are no integers, no
 * numbers. */
MPROC_API MPROC_MUST_USE mproc_err mproc_array_get_int(mproc_array array, size_t index, int64_t *number);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_set_int(mproc_array array, size_t index, int64_t number);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_get_float(mproc_array array, size_t index, double *number);
MPROC_API MPROC_MUST_USE mproc_err mproc_array_set_float(mproc_array array, size_t index, double number);

#ifdef __cplusplus
}
#endif
#endif
