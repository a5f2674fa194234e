# SPDX-License-Identifier: MIT
"""The same pools by Python's multiprocessing: prints "name value" lines, tasks per second."""
import multiprocessing
import time


def nothing(number):
    return number


def rate(name, count, run):
    begin = time.perf_counter()
    run()
    print(name, count / (time.perf_counter() - begin), flush=True)


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(nothing, range(100))
        rate("map_default", 1000000, lambda: pool.map(nothing, range(1000000)))
        rate("map_one", 50000, lambda: pool.map(nothing, range(50000), chunksize=1))
        rate("imap_unordered", 30000, lambda: [None for _ in pool.imap_unordered(nothing, range(30000))])
        results = []

        def stream():
            for number in range(30000):
                results.append(pool.apply_async(nothing, (number,)))
            for result in results:
                result.get()

        rate("apply_async", 30000, stream)
