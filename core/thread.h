/* SPDX-License-Identifier: MIT */
/* Threads that mproc itself needs, by APR. */
#ifndef MPROC_CORE_THREAD_H
#define MPROC_CORE_THREAD_H

#include "error.h"

struct thread;

/* Starts a thread that runs run(context); to be joined. `quiet`: it runs no code of the user's but a log callback.
 * MPROC_EAGAIN, MPROC_ENOMEM. */
mproc_err mproc__thread_start(struct thread **thread, bool quiet, void (*run)(void *context), void *context);
void mproc__thread_join(struct thread *thread);
/* How many of them run in this process: they hold no lock of the host program's over a fork. */
int mproc__helper_threads(void);
/* Whether no other thread of this process runs code of the user's, and so none is inside the C library for it. */
bool mproc__is_alone(void);
/* In a forked child: there are none. */
void mproc__threads_forked(void);

#endif
