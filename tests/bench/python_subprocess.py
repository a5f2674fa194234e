# SPDX-License-Identifier: MIT
"""Python's figures beside bench_subprocess: python3 python_subprocess.py PATH_OF_bench_subprocess"""
import statistics
import subprocess
import sys
import time


def median(function, count):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def capture():
    result = subprocess.run([sys.argv[1], "--spew"], stdout=subprocess.PIPE, check=True)
    assert len(result.stdout) == 100_000_000


print(f"run /bin/true: subprocess.run     {median(lambda: subprocess.run('/bin/true'), 100) * 1e6:9.1f} us")
print(f"capture 100 MB: subprocess.run    {median(capture, 9) * 1e6:9.1f} us")
