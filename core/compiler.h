/* SPDX-License-Identifier: MIT */
/* Differences between compilers (not systems): the only place for their extensions. */
#ifndef MPROC_CORE_COMPILER_H
#define MPROC_CORE_COMPILER_H

#include <stdint.h>

#if defined(_MSC_VER)
#define MPROC_THREAD_LOCAL __declspec(thread)
#include <intrin.h>
#define mproc__pause() _mm_pause()
#define mproc__fetch_ahead(address) ((void) (address))
/* The largest p with 2^p <= number, which is not 0. */
static inline uint32_t mproc__log2(uint64_t number)
{
    unsigned long power;
    _BitScanReverse64(&power, number);
    return power;
}
#else
#define MPROC_THREAD_LOCAL _Thread_local
#if defined(__x86_64__) || defined(__i386__)
#define mproc__pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define mproc__pause() __asm__ volatile("yield")
#else
#define mproc__pause() ((void) 0)
#endif
#define mproc__fetch_ahead(address) __builtin_prefetch(address)
static inline uint32_t mproc__log2(uint64_t number)
{
    return 63u - (uint32_t) __builtin_clzll(number);
}
#endif

/* On what every forked child runs: GNU linkers lay these functions side by side, so that a child maps
 * them with one page fault. */
#if defined(__GNUC__) && defined(__ELF__)
#define MPROC_IN_CHILD __attribute__((hot))
#else
#define MPROC_IN_CHILD
#endif

/* For few and small variables that every lock reads: no call is needed to find them, also in a shared library. */
#if defined(__GNUC__) && defined(__ELF__)
#define MPROC_THREAD_LOCAL_NEAR __attribute__((tls_model("initial-exec"))) MPROC_THREAD_LOCAL
#else
#define MPROC_THREAD_LOCAL_NEAR MPROC_THREAD_LOCAL
#endif

#endif
