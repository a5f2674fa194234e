# SPDX-License-Identifier: MIT
"""mproc's pickles beside Python's own (its C module) and msgpack-c's unpacking, as ratios of one run.

    python3 python_codec.py build/gcc/bench/bench_codec [ROUNDS]

The median of all rounds, in processor time; every round runs both sides in turn, on the pickles that Python made."""
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import timeit

SMALL = [42, None, 'hello', {'a': 1.5}]
INTS = list(range(1000000))


def nanoseconds(function, count):
    return timeit.timeit(function, number=count, timer=time.process_time) / count * 1e9


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    small, ints = pickle.dumps(SMALL, 4), pickle.dumps(INTS, 4)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, data in (('small', small), ('ints', ints)):
            paths.append(os.path.join(folder, name))
            with open(paths[-1], 'wb') as file:
                file.write(data)
        for _ in range(rounds):
            case = {'small_pickle_dumps': nanoseconds(lambda: pickle.dumps(SMALL, 4), 200000),
                    'small_pickle_loads': nanoseconds(lambda: pickle.loads(small), 200000),
                    'ints_pickle_dumps': nanoseconds(lambda: pickle.dumps(INTS, 4), 5),
                    'ints_pickle_loads': nanoseconds(lambda: pickle.loads(ints), 5)}
            output = subprocess.run([program] + paths, stdout=subprocess.PIPE, check=True, text=True).stdout
            case.update((name, float(value)) for name, value in (line.split() for line in output.splitlines()))
            for name, value in case.items():
                found.setdefault(name, []).append(value)
    median = {name: statistics.median(values) for name, values in found.items()}
    for name, value in median.items():
        print('%-24s %14.1f' % (name, value))
    print()
    for ours, peer, goal in (('small_dumps', 'small_pickle_dumps', 0.25), ('small_loads', 'small_pickle_loads', 0.45),
                             ('ints_dumps', 'ints_pickle_dumps', 0.3), ('ints_loads', 'ints_pickle_loads', 0.3),
                             ('ints_loads', 'ints_msgpack_unpack', 0.6), ('ints_memory', 'ints_message', 2),
                             ('ints_memory_peak', 'ints_message', 2)):
        if peer not in median:
            print('%-16s / %-22s not measured: bench_codec was built without msgpack' % (ours, peer))
            continue
        ratio = median[ours] / median[peer]
        print('%-16s / %-22s %6.2f  goal %4.2f  %s' %
              (ours, peer, ratio, goal, 'reached' if ratio <= goal else 'MISSED'))


main()
