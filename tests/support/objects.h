/* SPDX-License-Identifier: MIT */
/* What the tests of objects and pickles have in common. Each checks what it does. */
#ifndef MPROC_TESTS_OBJECTS_H
#define MPROC_TESTS_OBJECTS_H

#include "mproc/pickle.h"

/* ---- making and comparing ---- */

mproc_object *str(const char *text);
mproc_object *integer(int64_t value);
mproc_object *real(double value);
mproc_object *list(void);
/* [object] */
mproc_object *list_of(mproc_object *object);
/* mproc_pack() of a format without holes. */
mproc_object *packed(const char *format);
/* The list takes the item over. */
void append(mproc_object *to, mproc_object *item);
/* Both ways round. */
bool equal(const mproc_object *a, const mproc_object *b);
/* The same, and releases both. */
bool same(mproc_object *a, mproc_object *b);
/* repr(object) */
void check_prints(const mproc_object *object, const char *expected);

/* ---- pickles ---- */

/* Two digits a byte, spaces between them as you like; returns how many bytes. */
size_t bytes_of_hex(const char *hex, unsigned char *out);
mproc_err loads_hex(mproc_object **object, const char *hex, const mproc_pickle_options *options);
/* The pickle of an object. */
void check_writes(const mproc_object *object, int protocol, const char *hex);
/* Written in this protocol, and read again, unknown classes kept. */
mproc_object *copied(const mproc_object *object, int protocol);

#endif
