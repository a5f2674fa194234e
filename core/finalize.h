/* SPDX-License-Identifier: MIT */
/* The orderly end of a process. */
#ifndef MPROC_CORE_FINALIZE_H
#define MPROC_CORE_FINALIZE_H

#include <stdbool.h>

/* Runs finalizers, ends daemons, joins children, stops the template; once. */
void mproc__finish(int exit_code);
/* In a forked child: the parent's finalizers are not its own. */
void mproc__finalizers_forked(void);
/* exit() in this process finishes too. */
void mproc__finish_at_exit(void);
/* The same for a child, before and after the fork; and the seed of its rand(). */
void mproc__finish_prepare(unsigned seed, bool alone);
void mproc__finish_forked(bool in_child);
/* In a template: the same for all its children. False if they have to call finish_at_exit(). */
bool mproc__finish_in_template(void);

#endif
