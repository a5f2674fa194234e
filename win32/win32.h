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

/* A process about to be created. */
struct mproc__launch {
    const mproc_plat_handle *standard; /* three */
    const mproc_plat_handle *keep;
    size_t keep_count;
    bool keep_all; /* all inheritable handles */
    const char *name; /* for errors */
    HANDLE job; /* to be put into; NULL */
    bool job_is_wish; /* without it the start is still a start */
    DWORD flags;
    bool hide;
    wchar_t *executable, *command, *folder, *block; /* freed by mproc__launch_free() */
    /* for mproc__launch() itself */
    HANDLE streams[3];
    HANDLE *list;
    size_t count;
    bool *raised; /* which of `keep` are inheritable only for this launch */
    LPPROC_THREAD_ATTRIBUTE_LIST attributes;
    bool join_later;
};
mproc_err mproc__launch(struct mproc__launch *launch, struct mproc_plat_process *process);
void mproc__launch_free(struct mproc__launch *launch);
/* A block of `base` (NULL: this process's environment; a block as well) with changes, and MPROC_BOOT
 * unless `boot` is NULL. */
mproc_err mproc__environment_block(const wchar_t *base, const char *const *changes, const char *boot,
                                   wchar_t **block);

/* The exit code of what we terminate, as Python has it: reported as signal 15. */
#define MPROC__TERMINATED 0x10000u

/* ---- command_line.c ---- */

/* The command line that the C runtime of the program splits into argv again. */
mproc_err mproc__command_line(const char *const *argv, wchar_t **line);
/* The one that makes cmd.exe run a command (argv[0], as it is, and quoted arguments). */
mproc_err mproc__shell_line(const wchar_t *shell, const char *const *argv, wchar_t **line);
/* The one that makes cmd.exe run a batch file with arguments that it changes as little as it can. */
mproc_err mproc__batch_line(const wchar_t *shell, const wchar_t *script, const char *const *argv,
                            wchar_t **line);

/* ---- identity.c ---- */

/* The path of this program. */
mproc_err mproc__own_path(char *path, size_t size);
/* The creation time that tells a process from others with its pid; false if it has ended. */
bool mproc__creation_time(HANDLE process, uint64_t *stamp);

#endif
