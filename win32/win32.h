/* SPDX-License-Identifier: MIT */
/* What the files of win32/ share and core/ does not see. */
#ifndef MPROC_WIN32_WIN32_H
#define MPROC_WIN32_WIN32_H

#include "platform.h"

#include <windows.h>

#ifndef PROC_THREAD_ATTRIBUTE_JOB_LIST /* missing from older headers */
#define PROC_THREAD_ATTRIBUTE_JOB_LIST 0x0002000d
#endif

/* ---- text.c: UTF-8 outside, UTF-16 inside ---- */

/* To be freed; NULL with an error described. */
wchar_t *mproc__wide(const char *text);
/* Fails with MPROC_EINVAL if it does not fit. */
mproc_err mproc__narrow(const wchar_t *wide, char *text, size_t size);

/* ---- system.c ---- */

mproc_err mproc__from_windows(DWORD code);
/* The milliseconds until a deadline, rounded up; INFINITE for MPROC_PLAT_NEVER. */
DWORD mproc__milliseconds(int64_t deadline);

/* ---- region.c ---- */

/* 128 random bits that name this family's semaphores. */
const uint64_t *mproc__family_nonce(void);
/* The counters of park.c, in the region's private bytes. */
enum { MPROC__BUCKETS = 64 };
_Atomic uint32_t *mproc__park_counter(unsigned bucket);

/* ---- process.c ---- */

/* The creation time that tells a process from others with its pid; false if it has ended. */
bool mproc__creation_time(HANDLE process, uint64_t *stamp);

#endif
