# SPDX-License-Identifier: MIT
"""Start and join of a process that does nothing by Python's three methods, in microseconds."""
import multiprocessing
import statistics
import time


def nothing():
    pass


def measure(method, count, rounds=5):
    context = multiprocessing.get_context(method)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            process = context.Process(target=nothing)
            process.start()
            process.join()
        times.append((time.perf_counter() - start) / count * 1e6)
    return statistics.median(times)


if __name__ == "__main__":
    for method, count in (("fork", 50), ("forkserver", 10), ("spawn", 5)):
        print(f"  Python {method:33} {measure(method, count):8.1f} us")
