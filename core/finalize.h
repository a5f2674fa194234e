/* SPDX-License-Identifier: MIT */
/* The orderly end of a process. */
#ifndef MPROC_CORE_FINALIZE_H
#define MPROC_CORE_FINALIZE_H

/* Runs finalizers, ends daemons, joins children, stops the template; once. */
void mproc__finish(int exit_code);
/* In a forked child: the parent's finalizers are not its own. */
void mproc__finalizers_forked(void);
/* exit() in this process finishes too. */
void mproc__finish_at_exit(void);

#endif
