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
/* Whether code of the user's is called for messages. */
bool mproc__log_has_callback(void);
/* The name in the lines; it must stay. */
void mproc__log_name(const char *name);
/* The callback may call any function of mproc's: what a thread logs while it holds a mutex of mproc's, or between
 * hold() and release() something else that these functions may wait for, it gets by the deliver() after that. */
void mproc__log_hold(void);
void mproc__log_release(void);
void mproc__log_deliver(void);
void mproc__log_forked(void); /* in a forked child */

#endif
