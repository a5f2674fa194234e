/* SPDX-License-Identifier: MIT */
/* Dynamic data as Python has it: None, bool, int of any size, float, str, bytes, bytearray, list,
 * tuple, dict, set, frozenset, and exceptions by name. What pickle.h writes and reads.
 *
 * An object belongs to the process that made it: to send it, pickle it. Nothing here needs
 * mproc_init().
 *
 * Ownership is counted, as in Python:
 *   - a function that makes an object hands out one reference; mproc_object_release() gives it back;
 *   - a container takes a reference of its own to what is put in, so release yours after it;
 *   - what is read out of a container is borrowed: valid while the container is alive and still
 *     holds it; mproc_object_ref() makes it yours.
 * All that was unpickled or packed by one call is one block of memory: a reference to a part keeps
 * the whole block. mproc_object_copy() cuts a part loose. A cycle inside one such block is freed with
 * it; a cycle built by hand (a list appended to itself through another) lives until it is taken apart.
 *
 * Threads: references may be taken and released anywhere at any time; any number of threads may read
 * an object (print, compare, pickle, put it into containers of their own); who changes a container
 * must be alone with it, and with the block that it was unpickled or packed in.
 *
 * Equality, hashing, truth and printing are Python's; the exceptions are said where they are. */
#ifndef MPROC_OBJECT_H
#define MPROC_OBJECT_H

#include "base.h"

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* mproc has a printf and a scanf of its own below: C99's directives on every system. */
#if defined(__clang__)
#define MPROC_PACK_FORMAT(text, first) __attribute__((format(printf, text, first)))
#define MPROC_UNPACK_FORMAT(text, first) __attribute__((format(scanf, text, first)))
#elif defined(__GNUC__)
#define MPROC_PACK_FORMAT(text, first) __attribute__((format(gnu_printf, text, first)))
#define MPROC_UNPACK_FORMAT(text, first) __attribute__((format(gnu_scanf, text, first)))
#else
#define MPROC_PACK_FORMAT(text, first)
#define MPROC_UNPACK_FORMAT(text, first)
#endif

typedef struct mproc_object mproc_object;

typedef enum mproc_type {
    MPROC_TYPE_NONE = 0,
    MPROC_TYPE_BOOL = 1,
    MPROC_TYPE_INT = 2,
    MPROC_TYPE_FLOAT = 3,
    MPROC_TYPE_STR = 4,
    MPROC_TYPE_BYTES = 5,
    MPROC_TYPE_BYTEARRAY = 6,
    MPROC_TYPE_LIST = 7,
    MPROC_TYPE_TUPLE = 8,
    MPROC_TYPE_DICT = 9,
    MPROC_TYPE_SET = 10,
    MPROC_TYPE_FROZENSET = 11,
    MPROC_TYPE_EXCEPTION = 12, /* an instance whose class is a known exception */
    MPROC_TYPE_GLOBAL = 13,    /* the name of a class or function; never the thing itself */
    MPROC_TYPE_INSTANCE = 14   /* how Python would rebuild an object that C does not understand */
} mproc_type;

/* The type of an object; of NULL, MPROC_TYPE_NONE. */
MPROC_API mproc_type mproc_object_type(const mproc_object *object);
/* Python's name of a type, such as "int"; "?" for no type. Never NULL. */
MPROC_API const char *mproc_type_name(mproc_type type);

/* One more reference; returns `object`. NULL is allowed. Cannot fail. */
MPROC_API mproc_object *mproc_object_ref(mproc_object *object);
/* One reference less; the last one frees it. NULL is allowed. */
MPROC_API void mproc_object_release(mproc_object *object);

/* ---- a buffer that grows ----
 * Text and pickles are written into one: zero it, use it as often as you like (what it held is
 * replaced, the memory is used again), free it once. */
typedef struct mproc_buffer {
    char *data;      /* NULL until something was written */
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes there are */
} mproc_buffer;
#define MPROC_BUFFER_INIT { NULL, 0, 0 }
MPROC_API void mproc_buffer_free(mproc_buffer *buffer);

/* ---- making ----
 * On success *object is the new object, and yours. MPROC_EINVAL: an argument is NULL, or a value that Python
 * has no such object for; MPROC_ENOMEM. Then *object is untouched. What is given is copied, or, if it is an
 * object, gets one more reference. */

/* These three need no memory, cannot fail, and need not be released (but may be). */
MPROC_API mproc_object *mproc_none(void);
MPROC_API mproc_object *mproc_true(void);
MPROC_API mproc_object *mproc_false(void);

MPROC_API MPROC_MUST_USE mproc_err mproc_int_create(mproc_object **object, int64_t value);
MPROC_API MPROC_MUST_USE mproc_err mproc_int_create_unsigned(mproc_object **object, uint64_t value);
/* Python's int(text, base) for bases 10 and 16 and 0 (0x means 16): an optional sign, then digits, else
 * MPROC_EINVAL. At most 4300 decimal digits, as in Python; hexadecimal has no limit. */
MPROC_API MPROC_MUST_USE mproc_err mproc_int_create_text(mproc_object **object, const char *text, int base);
/* Python's int.from_bytes(data, 'little', signed=True). `data` may be NULL if size is 0: the int is 0. */
MPROC_API MPROC_MUST_USE mproc_err mproc_int_create_bytes(mproc_object **object, const void *data, size_t size);

/* Any double; infinities and NaNs too. */
MPROC_API MPROC_MUST_USE mproc_err mproc_float_create(mproc_object **object, double value);

/* UTF-8, else MPROC_EINVAL; surrogates are let through, as Python's "surrogatepass" does. NULs may be
 * inside with the second form. */
MPROC_API MPROC_MUST_USE mproc_err mproc_str_create(mproc_object **object, const char *text);
MPROC_API MPROC_MUST_USE mproc_err mproc_str_create_sized(mproc_object **object, const char *text, size_t size);
/* Any `size` bytes; `data` may be NULL if there are none. */
MPROC_API MPROC_MUST_USE mproc_err mproc_bytes_create(mproc_object **object, const void *data, size_t size);
MPROC_API MPROC_MUST_USE mproc_err mproc_bytearray_create(mproc_object **object, const void *data, size_t size);

/* Empty ones. */
MPROC_API MPROC_MUST_USE mproc_err mproc_list_create(mproc_object **object);
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_create(mproc_object **object);
MPROC_API MPROC_MUST_USE mproc_err mproc_set_create(mproc_object **object);

/* Of `count` items. A frozenset's must be hashable (MPROC_ETYPE); equal ones are taken once, as by
 * mproc_set_add. */
MPROC_API MPROC_MUST_USE mproc_err mproc_tuple_create(mproc_object **object, mproc_object *const *items,
                                                      size_t count);
MPROC_API MPROC_MUST_USE mproc_err mproc_frozenset_create(mproc_object **object, mproc_object *const *items,
                                                          size_t count);

/* An exception by name: module "builtins" and name "KeyError", `args` a tuple or NULL for none. The names are
 * those of Python's built-in exceptions and of these; others are MPROC_EINVAL:
 *     multiprocessing       AuthenticationError BufferTooShort ProcessError TimeoutError
 *     multiprocessing.managers RemoteError      multiprocessing.pool MaybeEncodingError
 *     _queue Empty          queue Empty Full ShutDown       threading BrokenBarrierError
 *     concurrent.futures    BrokenExecutor CancelledError InvalidStateError TimeoutError
 *     concurrent.futures.process BrokenProcessPool          concurrent.futures.thread BrokenThreadPool
 *     subprocess            CalledProcessError SubprocessError TimeoutExpired
 *     socket                gaierror herror timeout         struct error
 *     pickle                PickleError PicklingError UnpicklingError
 *     json JSONDecodeError  binascii Error
 * Of several modules under which Python finds one, mproc_exception_get() gives the one that Python writes:
 * multiprocessing.context for multiprocessing. */
MPROC_API MPROC_MUST_USE mproc_err mproc_exception_create(mproc_object **object, const char *module,
                                                          const char *name, mproc_object *args);

/* All of `object` once more, in a block of its own. Shared parts stay shared, cycles stay cycles.
 * MPROC_EINVAL if it is nested deeper than 1000; MPROC_ENOMEM. Python: copy.deepcopy(object). */
MPROC_API MPROC_MUST_USE mproc_err mproc_object_copy(mproc_object **copy, const mproc_object *object);

/* ---- reading ----
 * MPROC_ETYPE if the object is of another type, or does not fit into the C type. */

/* bool(object). */
MPROC_API bool mproc_object_is_true(const mproc_object *object);

/* An int or a bool, as bools are ints. */
MPROC_API MPROC_MUST_USE mproc_err mproc_int_get(const mproc_object *object, int64_t *value);
MPROC_API MPROC_MUST_USE mproc_err mproc_int_get_unsigned(const mproc_object *object, uint64_t *value);
/* The shortest two's complement, little-endian, into `data` of `capacity` bytes; *size is what it
 * takes (0 has none) even if that is more: then MPROC_EMSGSIZE. */
MPROC_API MPROC_MUST_USE mproc_err mproc_int_get_bytes(const mproc_object *object, void *data, size_t capacity,
                                                       size_t *size);
/* float(object) of a float, an int or a bool, rounded to even. */
MPROC_API MPROC_MUST_USE mproc_err mproc_float_get(const mproc_object *object, double *value);
MPROC_API MPROC_MUST_USE mproc_err mproc_bool_get(const mproc_object *object, bool *value);

/* UTF-8, with a NUL behind it; borrowed. `size` in bytes; it may be NULL, then a NUL inside the text is
 * MPROC_ETYPE. */
MPROC_API MPROC_MUST_USE mproc_err mproc_str_get(const mproc_object *object, const char **text, size_t *size);
/* Of bytes or a bytearray, with a NUL behind them; borrowed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_bytes_get(const mproc_object *object, const void **data, size_t *size);

/* len(object): items; of bytes and bytearray bytes, of str code points. */
MPROC_API MPROC_MUST_USE mproc_err mproc_object_len(const mproc_object *object, size_t *length);

/* object[index] of a list or tuple; borrowed. MPROC_ENOTFOUND past the end; -1 is the last. */
MPROC_API MPROC_MUST_USE mproc_err mproc_object_item(const mproc_object *object, int64_t index,
                                                     mproc_object **item);

/* An exception's class and the arguments that it is made with, a tuple; borrowed; any out parameter may be
 * NULL. Python's args may be fewer: those of an OSError(2, 'No such file', 'name') are the first two. */
MPROC_API MPROC_MUST_USE mproc_err mproc_exception_get(const mproc_object *object, const char **module,
                                                       const char **name, mproc_object **args);

/* ---- lists ----
 * What is put in gets a reference of the list's, so release yours; what is taken out or replaced loses it,
 * and is freed if that was the last. MPROC_ETYPE: it is no list; MPROC_EINVAL: the list or item is NULL;
 * MPROC_ENOMEM. After an error the list is as before. */

/* Python: list.append(item). */
MPROC_API MPROC_MUST_USE mproc_err mproc_list_append(mproc_object *list, mproc_object *item);
/* Before `index`, which is clipped as in Python: list.insert(index, item). */
MPROC_API MPROC_MUST_USE mproc_err mproc_list_insert(mproc_object *list, int64_t index, mproc_object *item);
/* list[index] = item; MPROC_ENOTFOUND past the end; -1 is the last. */
MPROC_API MPROC_MUST_USE mproc_err mproc_list_set(mproc_object *list, int64_t index, mproc_object *item);
/* del list[index]; MPROC_ENOTFOUND past the end; -1 is the last. */
MPROC_API MPROC_MUST_USE mproc_err mproc_list_remove(mproc_object *list, int64_t index);
MPROC_API MPROC_MUST_USE mproc_err mproc_list_clear(mproc_object *list);

/* ---- dicts and sets ----
 * In insertion order. Keys are as in Python: 1, 1.0 and True are one key; a list, dict, set or bytearray
 * is none (MPROC_ETYPE), nor is a tuple with one in it. MPROC_ENOTFOUND if there is no such key.
 * MPROC_ETYPE: the first argument is no dict, or no set; MPROC_EINVAL: an argument is NULL, or a key nested
 * deeper than 1000; MPROC_ENOMEM. After an error all is as before.
 *
 * Keys, items and values that are put in get a reference of the container's, so release yours; what is
 * removed or replaced loses it.
 *
 * Each exception and instance that is put in is a key of its own, as exceptions are in Python (which may
 * take instances for one key that C keeps apart). To find and to remove, one that is equal will do: the
 * very same one if it is there, else the first; that takes time by the size of the table. */

/* dict[key] = value. A key that was there stays the object that it was, and where it was. */
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_set(mproc_object *dict, mproc_object *key, mproc_object *value);
/* dict[key]; *value is borrowed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_get(const mproc_object *dict, const mproc_object *key,
                                                  mproc_object **value);
/* del dict[key]. */
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_remove(mproc_object *dict, const mproc_object *key);
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_clear(mproc_object *dict);
/* With a C string for a key: UTF-8, else MPROC_EINVAL. */
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_set_str(mproc_object *dict, const char *key, mproc_object *value);
MPROC_API MPROC_MUST_USE mproc_err mproc_dict_get_str(const mproc_object *dict, const char *key,
                                                      mproc_object **value);

/* set.add(item): nothing changes if it is there. */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_add(mproc_object *set, mproc_object *item);
/* item in set, or in a frozenset. */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_has(const mproc_object *set, const mproc_object *item, bool *has);
/* set.remove(item). */
MPROC_API MPROC_MUST_USE mproc_err mproc_set_remove(mproc_object *set, const mproc_object *item);
MPROC_API MPROC_MUST_USE mproc_err mproc_set_clear(mproc_object *set);

/* Walks a dict, set or frozenset: start with *position = 0; false at the end, or if it is none. Out
 * parameters may be NULL, are borrowed, and *value is untouched for sets. Items may be removed
 * meanwhile, not added.
 *
 *     size_t position = 0;
 *     mproc_object *key, *value;
 *     while (mproc_object_next(dict, &position, &key, &value))
 *         ...                                                                                    */
MPROC_API bool mproc_object_next(const mproc_object *object, size_t *position, mproc_object **key,
                                 mproc_object **value);

/* ---- objects C does not understand ----
 * mproc_pickle_loads() refuses a pickle that names another class or function than the exceptions above, set,
 * frozenset, bytes, bytearray and _codecs.encode, unless it was asked to keep them. Then it keeps the recipe,
 * calls nothing, and mproc_pickle_dumps() writes the recipe again: so a C program can hold a Python datetime
 * for others. The name of a class alone, a type as Python's KeyError, is a MPROC_TYPE_GLOBAL. */

typedef enum mproc_recipe {
    MPROC_RECIPE_CALL = 0,  /* callable(*args) */
    MPROC_RECIPE_NEW = 1,   /* callable.__new__(callable, *args) */
    MPROC_RECIPE_NEW_EX = 2 /* callable.__new__(callable, *args, **kwargs) */
} mproc_recipe;

/* All parts but `callable` and `args` may be NULL. Zero it before use. */
typedef struct mproc_instance_parts {
    mproc_recipe recipe;
    mproc_object *callable; /* MPROC_TYPE_GLOBAL, or an instance */
    mproc_object *args;     /* a tuple */
    mproc_object *kwargs;   /* a dict; MPROC_RECIPE_NEW_EX only */
    mproc_object *state;    /* what __setstate__ or __dict__ gets */
    mproc_object *items;    /* a list: object.extend(items) */
    mproc_object *pairs;    /* a list of key, value, key, value ...: object[key] = value */
    mproc_object *state_setter; /* called with object and state instead; MPROC_TYPE_GLOBAL, or an instance */
} mproc_instance_parts;

/* The name of a class or function; *object is yours. MPROC_EINVAL: NULL, empty, or not UTF-8; MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_global_create(mproc_object **object, const char *module,
                                                       const char *name);
/* Both are borrowed, may be NULL, and have no NUL inside. MPROC_ETYPE if it is no global. */
MPROC_API MPROC_MUST_USE mproc_err mproc_global_get(const mproc_object *object, const char **module,
                                                    const char **name);
/* *object is yours, and gets references of its own to the parts; an exception, if the recipe calls a known one.
 * MPROC_EINVAL: a part is of another type than said above; MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_instance_create(mproc_object **object,
                                                         const mproc_instance_parts *parts);
/* Of an instance or an exception, else MPROC_ETYPE; the parts are borrowed. */
MPROC_API MPROC_MUST_USE mproc_err mproc_instance_get(const mproc_object *object, mproc_instance_parts *parts);

/* ---- comparing, printing ---- */

/* a == b, so a NaN is not equal to itself, but a list of it is. Exceptions, globals and instances are equal
 * if their parts are (Python compares exceptions by identity); where they are keys of dicts or in sets, that takes
 * steps in proportion to the square of their number. MPROC_EINVAL if they are nested deeper than 1000;
 * MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_object_equal(const mproc_object *a, const mproc_object *b, bool *equal);

/* repr(object) into the buffer, with a NUL behind it that does not count. A container inside itself is
 * [...]; sets print in insertion order; ints of more than 4300 digits print in hexadecimal; an exception
 * prints as Name(args), also where its class has a repr() of its own. A global prints as <module.name>, an
 * instance as <module.name(args)>, what is not printable in these names escaped. MPROC_EINVAL if nested
 * deeper than 1000, MPROC_EMSGSIZE if longer than 256 MiB; MPROC_ENOMEM. */
MPROC_API MPROC_MUST_USE mproc_err mproc_object_repr(const mproc_object *object, mproc_buffer *text);

/* ---- packing ----
 * A format is a Python literal with holes; the holes are printf's, so the compiler checks them.
 *
 *     mproc_pack(&object, "[%d, None, %s, {'a': %f}]", 42, "hello", 1.5)
 *
 * Literals: None True False, numbers with nan, inf and -inf, 'text' and "text", b'bytes' (escapes \\ \' \"
 * \n \t \r \0 and \xHH), bytearray(b'bytes'), [list], (tuple,), {'a': dict}, {'a', 'set'}, set(),
 * frozenset({'a'}) and frozenset(): what mproc_object_repr() prints of them. As in Python a tuple of one
 * needs its comma. A percent sign in a text is written %%, since for the compiler the text is part of the
 * format.
 * Holes: %d %i %u %x with hh h l ll j z t    an int, of that C type
 *        %f %g %e                            a float
 *        %s, %.*s                            a str: a C string, or a size (int) and a pointer
 *        b%.*s, b%s                          bytes; in bytearray() a bytearray
 *        %p                                  a mproc_object *, which gets one more reference
 * *object is yours. A wrong format, or a value that fits into none (NULL, text that is not UTF-8), is
 * MPROC_EINVAL and the sentence says where; MPROC_ETYPE is an unhashable %p as a key; MPROC_ENOMEM. After an
 * error *object is untouched. */
MPROC_API MPROC_MUST_USE mproc_err mproc_pack(mproc_object **object, const char *format, ...)
    MPROC_PACK_FORMAT(2, 3);
/* The same with the values in a va_list, which is as it was afterwards. */
MPROC_API MPROC_MUST_USE mproc_err mproc_vpack(mproc_object **object, const char *format, va_list values)
    MPROC_PACK_FORMAT(2, 0);

/* ---- unpacking ----
 * The same the other way, with scanf's holes, checked too:
 *
 *     mproc_unpack(object, "[%d, None, %ms, {'a': %lf}]", &number, &text, &real)
 *
 * What is no hole must be equal to the object's part there. A dict in the format names the keys that
 * must be there, each once; other keys are allowed. "..." as the last item of a list or tuple lets more
 * items follow. Keys and sets are without holes and "...".
 * Holes: %d %i %u %x with hh h l ll j z t    an int of that C type; MPROC_ETYPE if it does not fit
 *        %f, %lf                             a float or int, into a float or double; MPROC_ETYPE if it is
 *                                            too large for it
 *        %ms, b%ms                           const char **: borrowed text (no NUL inside) or bytes
 *        %31s, b%31s                         char[32]: copied; MPROC_EMSGSIZE if it does not fit
 *        %p                                  mproc_object **: borrowed
 * On any failure all the variables are as before: MPROC_ETYPE if the object is of another shape (the
 * sentence says where), MPROC_EINVAL if the format is wrong. Under -Wpedantic compilers want
 * (void **) for %p and do not know %ms. */
MPROC_API MPROC_MUST_USE mproc_err mproc_unpack(const mproc_object *object, const char *format, ...)
    MPROC_UNPACK_FORMAT(2, 3);
/* The same with the variables' addresses in a va_list, which cannot be used afterwards, as vscanf()'s. */
MPROC_API MPROC_MUST_USE mproc_err mproc_vunpack(const mproc_object *object, const char *format, va_list variables)
    MPROC_UNPACK_FORMAT(2, 0);

#ifdef __cplusplus
}
#endif
#endif
