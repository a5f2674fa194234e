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

/* *wide is to be freed. */
mproc_err mproc__wide(const char *text, wchar_t **wide);
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
enum { MPROC__BUCKETS = 128 };
_Atomic uint32_t *mproc__park_counter(unsigned bucket);
/* Before a process is started: makes sure it can attach what this one has attached. */
void mproc__region_hand_on(void);

/* ---- process.c ---- */

/* The exit code of what we terminate, as Python has it: reported as signal 15. */
#define MPROC__TERMINATED 0x10000u

/* ---- identity.c ---- */

/* The creation time that tells a process from others with its pid; false if it has ended. */
bool mproc__creation_time(HANDLE process, uint64_t *stamp);

#endif
