/* SPDX-License-Identifier: MIT */
/* The logger's inside. */
#ifndef MPROC_CORE_LOG_H
#define MPROC_CORE_LOG_H

#include "mproc/log.h"

/* Reads MPROC_LOG; in the root. */
void mproc__log_start(void);
/* What a child is to begin with. */
void mproc__log_settings(int *level, bool *to_stderr);
void mproc__log_inherit(int level, bool to_stderr);
/* The name in the lines; it must stay. */
void mproc__log_name(const char *name);
/* Between the two this thread holds one of mproc's mutexes: what it logs meanwhile the callback, which may call
 * any function of mproc's, gets when it holds none. */
void mproc__log_hold(void);
void mproc__log_release(void);
void mproc__log_forked(void); /* in a forked child */

#endif
