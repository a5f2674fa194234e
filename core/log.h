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
void mproc__log_lock(void);
void mproc__log_unlock(void);
void mproc__log_forked(void); /* in a forked child: frees it */

#endif
