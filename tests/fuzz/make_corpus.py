# SPDX-License-Identifier: MIT
"""Writes the corpus of fuzz_pickle: one small pickle a construct and protocol.

    python3 make_corpus.py FOLDER"""
import collections
import datetime
import multiprocessing
import os
import pickle
import queue
import sys


class WithSetter:
    """Its state is set by a function."""
    def __reduce__(self):
        return WithSetter, (), [1], None, None, setattr


def values():
    yield 'scalars', [None, True, False, 0, 255, 65535, -1, 2**31, -2**63, 2**100, 1.5, float('nan')]
    yield 'text', ['', 'a', 'h\u00e9\ud800', 'x' * 300, b'', b'\xff\0', b'y' * 300, bytearray(b'z')]
    yield 'nested', [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {'a': {'b': []}}]
    yield 'sets', [set(), {1, 'a'}, frozenset(), frozenset({(1, 2), frozenset({3})})]
    yield 'many', {i: str(i) for i in range(12)}
    yield 'ints', list(range(-3, 1030, 7))
    yield 'exceptions', [KeyError('k'), queue.Empty(), queue.Full(1), FileNotFoundError(2, 'no', 'name')]
    noted = ValueError('x')
    noted.note = [1]
    yield 'state', noted
    shared = ['s']
    yield 'shared', [shared, shared, (shared,), {'k': shared}]
    recursive = []
    recursive.append((recursive, {'r': recursive}))
    yield 'recursive', recursive
    tangled = ([],)
    tangled[0].append(tangled)
    yield 'tangled', tangled
    keys = [KeyError('a'), KeyError('a')]
    keys[0].home = {keys[0]}
    yield 'keys', [{keys[0]: 1, keys[1]: 2}, {keys[0], (keys[1],)}, frozenset(keys)]
    in_itself = ValueError([])
    in_itself.args[0].append(in_itself)
    yield 'in_itself', [in_itself, in_itself.args[0]]
    yield 'names', [range, map, OSError, queue.Full, multiprocessing.TimeoutError]
    yield 'setter', [WithSetter(), WithSetter()]
    yield 'kept', [datetime.date(2024, 2, 29), collections.OrderedDict(a=1), collections.deque([1], 3), 1j]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, value in values():
        for protocol in range(2, 6):
            with open(os.path.join(folder, '%s_%d.pickle' % (name, protocol)), 'wb') as file:
                file.write(pickle.dumps(value, protocol))


main()
