# SPDX-License-Identifier: MIT
"""Python's locks, for the table in docs/benchmarks.md: nanoseconds per uncontended pair."""
import multiprocessing
import time


def pair(lock, count=500000):
    begin = time.perf_counter()
    for _ in range(count):
        lock.acquire()
        lock.release()
    whole = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in range(count):
        pass
    return (whole - (time.perf_counter() - begin)) / count * 1e9


if __name__ == '__main__':
    for kind in (multiprocessing.Lock, multiprocessing.RLock, multiprocessing.Semaphore):
        print(f'{kind.__name__:12} {min(pair(kind()) for _ in range(5)):6.1f} ns')
