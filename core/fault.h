/* SPDX-License-Identifier: MIT */
/* Named points at which a test can make a process die, stop or wait. */
#ifndef MPROC_CORE_FAULT_H
#define MPROC_CORE_FAULT_H

/* Only in test builds (MPROC_FAULT_POINTS). MPROC_FAULT="name:count:action" in the environment makes
 * the count-th passing of point `name` do `action`: kill (SIGKILL itself), exit, wait (for ever), delay:
 * make a file delayed-PID in its folder and go on when somebody has removed that. */
#ifdef MPROC_FAULT_POINTS
#define MPROC_FAULT(name) mproc__fault(name)
#define MPROC_FAULT_FORGET() mproc__fault_forget()
void mproc__fault(const char *name);
/* In a forked child: its environment may ask for something else. */
void mproc__fault_forget(void);
#else
#define MPROC_FAULT(name) ((void) 0)
#define MPROC_FAULT_FORGET() ((void) 0)
#endif

#endif
