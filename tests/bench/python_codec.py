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
SHAPES = {'nones': [None] * 1000000, 'bytes_ints': [i % 256 for i in range(200000)],
          'floats': [i / 3 for i in range(100000)], 'strs': ['str %d' % i for i in range(100000)],
          'long_strs': ['%0100d' % i for i in range(20000)], 'dict': {'key %d' % i: i for i in range(100000)},
          'int_set': set(range(100000)), 'rows': [(i, 'row %d' % i, i / 7) for i in range(50000)],
          'records': [{'id': i, 'name': 'n%d' % i, 'tags': ['a', 'b']} for i in range(30000)]}


def nanoseconds(function, count):
    return timeit.timeit(function, number=count, timer=time.process_time) / count * 1e9


def ratio(median, ours, peer, goal):
    if peer not in median:
        print('%-16s / %-22s not measured: bench_codec was built without msgpack' % (ours, peer))
        return
    found = median[ours] / median[peer]
    print('%-16s / %-22s %6.2f  goal %4.2f  %s' % (ours, peer, found, goal, 'reached' if found <= goal else 'MISSED'))


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    values = dict(small=SMALL, ints=INTS, **SHAPES)
    pickles = {name: pickle.dumps(value, 4) for name, value in values.items()}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in pickles]
        for path, data in zip(paths, pickles.values()):
            with open(path, 'wb') as file:
                file.write(data)
        for _ in range(rounds):
            case = {}
            for name, value in values.items():
                count = 200000 if name == 'small' else 5
                case[name + '_pickle_dumps'] = nanoseconds(lambda: pickle.dumps(value, 4), count)
                case[name + '_pickle_loads'] = nanoseconds(lambda: pickle.loads(pickles[name]), count)
            output = subprocess.run([program] + paths, stdout=subprocess.PIPE, check=True, text=True).stdout
            case.update((name, float(value)) for name, value in (line.split() for line in output.splitlines()))
            for name, value in case.items():
                found.setdefault(name, []).append(value)
    median = {name: statistics.median(values) for name, values in found.items()}
    for name, value in median.items():
        print('%-24s %14.1f' % (name, value))
    print()
    for ours, peer, goal in (('small_dumps', 'small_pickle_dumps', 0.25), ('small_loads', 'small_pickle_loads', 0.45),
                             ('small_pack', 'small_msgpack_pack', 4), ('small_pack_dumps', 'small_msgpack_pack', 4),
                             ('ints_dumps', 'ints_pickle_dumps', 0.3), ('ints_loads', 'ints_pickle_loads', 0.3),
                             ('ints_loads', 'ints_msgpack_unpack', 0.6), ('ints_memory', 'ints_message', 2),
                             ('ints_memory_peak', 'ints_message', 2), ('ints_buffer', 'ints_written', 2)):
        ratio(median, ours, peer, goal)
    print('\nshape      dumps / Python\'s  loads / Python\'s  memory / pickle  its peak  buffer / written')
    for name in ['ints'] + list(SHAPES):
        print('%-10s %16.2f %17.2f %16.2f %9.2f %17.2f' %
              (name, median[name + '_dumps'] / median[name + '_pickle_dumps'],
               median[name + '_loads'] / median[name + '_pickle_loads'],
               median[name + '_memory'] / median[name + '_message'],
               median[name + '_memory_peak'] / median[name + '_message'],
               median[name + '_buffer'] / median[name + '_written']))


main()
