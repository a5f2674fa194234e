/* SPDX-License-Identifier: MIT */
/* Fault points of test builds. */
#include "fault.h"

#ifdef MPROC_FAULT_POINTS

#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where MPROC_FAULT=name:count:action stands; -1: not read yet. */
static atomic_int passes_left = -1;
static char wanted[64];
static char action[16];

static void read_wish(void)
{
    const char *text = getenv("MPROC_FAULT");
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon || (size_t) (colon - text) >= sizeof wanted) {
        atomic_store(&passes_left, 0);
        return;
    }
    memcpy(wanted, text, (size_t) (colon - text));
    char *rest;
    int count = (int) strtol(colon + 1, &rest, 10);
    if (*rest == ':')
        strncpy(action, rest + 1, sizeof action - 1);
    atomic_store(&passes_left, count);
}

static void pause_for(int64_t nanoseconds)
{
    _Atomic uint32_t word = 0;
    (void) mproc_plat_park(&word, 0, mproc_plat_now() + nanoseconds);
}

static bool open_and_close(const char *name, const char *mode)
{
    FILE *file = fopen(name, mode);
    return file && fclose(file) == 0;
}

static void delay(void)
{
    char name[40];
    snprintf(name, sizeof name, "delayed-%lld", (long long) mproc_plat_pid());
    open_and_close(name, "w");
    while (open_and_close(name, "r"))
        pause_for(1000000);
}

void mproc__fault_forget(void)
{
    atomic_store(&passes_left, -1);
}

void mproc__fault(const char *name)
{
    if (atomic_load(&passes_left) < 0)
        read_wish();
    if (atomic_load(&passes_left) == 0 || strcmp(name, wanted) != 0)
        return;
    if (atomic_fetch_sub(&passes_left, 1) != 1)
        return;
    if (strcmp(action, "delay") == 0) {
        delay();
        return;
    }
    if (strcmp(action, "exit") == 0)
        mproc_plat_exit_now(99);
    if (strcmp(action, "kill") == 0) {
        uint64_t stamp = 0;
        if (mproc_plat_process_stamp(mproc_plat_pid(), &stamp) == MPROC_OK)
            (void) mproc_plat_process_signal(mproc_plat_pid(), stamp, true);
    }
    for (;;)
        pause_for(1000000000);
}

#else

/* ISO C wants at least one declaration in a file. */
extern int mproc__no_fault_points;

#endif
