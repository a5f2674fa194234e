# SPDX-License-Identifier: MIT
"""Python's multiprocessing.Queue as a peer of bench_queue: SIZE COUNT SIDES copy|trip; prints items (or round
trips) per second. Without arguments: both for 64 bytes, one producer and one consumer."""
import multiprocessing
import sys
import time


def put_all(queue, size, count, ready, go):
    item = bytes(size)
    ready.release()
    go.wait()
    for _ in range(count):
        queue.put(item)


def get_all(queue, count, ready, go):
    ready.release()
    go.wait()
    for _ in range(count):
        queue.get()


def answer_all(there, back, count, ready, go):
    ready.release()
    go.wait()
    for _ in range(count):
        back.put(there.get())


def ask_all(there, back, size, count, ready, go):
    item = bytes(size)
    ready.release()
    go.wait()
    for _ in range(count):
        there.put(item)
        back.get()


def measure(size, count, sides, trip):
    context = multiprocessing.get_context("fork")
    there, back = context.Queue(), context.Queue()
    ready, go = context.Semaphore(0), context.Event()
    processes = []
    for _ in range(sides):
        if trip:
            sender = (ask_all, (there, back, size, count // sides, ready, go))
            receiver = (answer_all, (there, back, count // sides, ready, go))
        else:
            sender = (put_all, (there, size, count // sides, ready, go))
            receiver = (get_all, (there, count // sides, ready, go))
        processes += [context.Process(target=target, args=args) for target, args in (sender, receiver)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    begin = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        print(measure(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "trip"))
    else:
        print(f"64 B: {measure(64, 100000, 1, False):.0f} /s")
        print(f"round trip 64 B: {measure(64, 5000, 1, True):.0f} /s")
