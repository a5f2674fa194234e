/* SPDX-License-Identifier: MIT */
/* What a spinning peer does between two looks. */
#ifndef MPROC_BENCH_PAUSE_H
#define MPROC_BENCH_PAUSE_H

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
