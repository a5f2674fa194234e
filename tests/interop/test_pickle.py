# SPDX-License-Identifier: MIT
"""Random nested values through Python's own pickle, to mproc and back, at every protocol.

    python3 test_pickle.py [--count N] [--seed N] PEER...

PEER is the program of pickle_peer.c, with an emulator before it if it needs one."""
import argparse
import binascii
import builtins
import collections
import concurrent.futures.process
import concurrent.futures.thread
import datetime
import decimal
import fractions
import ipaddress
import json
import multiprocessing.context
import multiprocessing.managers
import multiprocessing.pool
import pathlib
import pickle
import queue
import random
import socket
import struct
import subprocess
import sys
import threading
import uuid

import _compat_pickle

from pickle_values import comparison, has_order, random_pair, random_value, same

PROTOCOLS = (2, 3, 4, 5)
KEEP = 128
COMPARE = 64


class Peer:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise SystemExit('the peer ended: %r' % self.process.wait())
        return data

    def read_sized(self):
        return self.read(struct.unpack('<I', self.read(4))[0])

    def ask(self, how, data):
        self.process.stdin.write(bytes([how]) + struct.pack('<I', len(data)) + data)
        self.process.stdin.flush()
        return self.read(1)[0], self.read_sized(), self.read_sized().decode('utf-8', 'surrogatepass')

    def close(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit('the peer failed: %d' % self.process.returncode)


def check_random(peer, count, seed):
    printed = 0
    for i in range(count):
        r = random.Random(seed + i)
        value = random_value(r, r.choice((1, 2, 3, 4)), [])
        for protocol in PROTOCOLS:
            # the other way round in another protocol: all sixteen pairs come up
            back = PROTOCOLS[(protocol + i) % 4]
            err, answer, text = peer.ask(back, pickle.dumps(value, protocol))
            if err:
                raise SystemExit('seed %d, protocol %d to %d: error %d: %s\n%.1000s' %
                                 (seed + i, protocol, back, err, answer.decode(), ascii(value)))
            result = pickle.loads(answer)
            if answer[1] != back or not same(value, result, {}):
                raise SystemExit('seed %d, protocol %d to %d: not the same:\n%.1000s\n%.1000s' %
                                 (seed + i, protocol, back, ascii(value), ascii(result)))
            if protocol == 4 and has_order(value, set()):
                printed += 1
                if text != repr(value):
                    raise SystemExit('seed %d: printed differently:\n%.1000s\n%.1000s' %
                                     (seed + i, ascii(repr(value)), ascii(text)))
    print('%d values at protocols 2 to 5 in both directions, %d printed alike' % (count, printed))


def check_recursive(peer):
    a = []
    a.append(a)
    t = ([],)
    t[0].append(t)
    d = {}
    d['d'] = (d, [d])
    shared = ['x']
    s = [shared, (shared, shared), {'k': shared}]
    for value in (a, t, d, s):
        for protocol in PROTOCOLS:
            for back in PROTOCOLS:
                err, answer, text = peer.ask(back, pickle.dumps(value, protocol))
                assert err == 0, answer
                assert same(value, pickle.loads(answer), {}), (protocol, back, answer)
                assert text == repr(value), text
    print('recursive and shared values stay so')


def check_recursive_exceptions(peer):
    """Each is a value, and what must be one and the same in it."""
    in_list = ValueError([])
    in_list.args[0].append(in_list)
    in_set, in_frozenset, in_tuple, in_itself, as_key = [ValueError() for _ in range(5)]
    in_set.home = {in_set}
    in_frozenset.home = frozenset([in_frozenset])
    in_tuple.home = (in_tuple, 1, 2, 3)
    in_itself.home = in_itself
    d = {}
    as_key = ValueError(d)
    d[as_key] = 1
    twice = KeyError('x')
    first = lambda value: next(iter(value))
    cases = [(in_list, lambda e: (e, e.args[0][0])), (in_list.args[0], lambda l: (l, l[0].args[0])),
             (in_set, lambda e: (e, first(e.home))), (in_set.home, lambda s: (s, first(s).home)),
             (in_frozenset, lambda e: (e, first(e.home))), (in_frozenset.home, lambda s: (s, first(s).home)),
             (in_tuple, lambda e: (e, e.home[0])), (in_tuple.home, lambda t: (t, t[0].home)),
             (in_itself, lambda e: (e, e.home)), (d, lambda d: (d, first(d).args[0])),
             (as_key, lambda e: (e, first(e.args[0]))), ([twice, twice], lambda v: (v[0], v[1])),
             ([twice, {twice: 1}, {twice}], lambda v: (v[0], first(v[2])))]
    for value, pair in cases:
        for protocol in PROTOCOLS:
            assert len(set(map(id, pair(pickle.loads(pickle.dumps(value, protocol)))))) == 1, value
            for back in PROTOCOLS:
                err, answer, text = peer.ask(back, pickle.dumps(value, protocol))
                assert err == 0, answer
                one, other = pair(pickle.loads(answer))
                assert one is other, (value, protocol, back)
    print('exceptions in themselves, and sets of exceptions that know them, stay so')


def check_comparisons(peer, count, seed):
    """Equality, hashing and truth."""
    equal = 0
    for i in range(0, count, 100):
        r = random.Random(seed + i)
        pairs = [random_pair(r) for _ in range(100)]
        err, answer, text = peer.ask(COMPARE, pickle.dumps(pairs))
        assert err == 0, answer
        for (a, b), found in zip(pairs, answer.decode().split()):
            wanted = comparison(a, b)
            if found != wanted:
                raise SystemExit('seed %d: %r and %r compare as %s, not %s' % (seed + i, a, b, found, wanted))
            equal += wanted[0] == '1'
    print('%d pairs compare alike, %d are equal' % (count, equal))


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __repr__(self):
        return 'Point(%r, %r)' % (self.x, self.y)

    def __eq__(self, other):
        return type(other) is Point and (self.x, self.y) == (other.x, other.y)


def set_state(target, state):
    target.x = state


class WithSetter:
    def __init__(self, x=None):
        self.x = x

    def __repr__(self):
        return 'WithSetter(%r)' % self.x

    def __reduce__(self):
        return WithSetter, (), self.x, None, None, set_state


def check_kept(peer):
    values = [datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30), decimal.Decimal('3.14'),
              collections.OrderedDict(a=1, b=[2]), collections.deque([1, 2, 3], 5), collections.Counter('hello'),
              collections.defaultdict(list, a=[1]), complex(1, 2), range(5), slice(1, 2, 3), Point(1, [2]),
              {datetime.date(2024, 1, 1): 1}, {uuid.UUID(int=i): i for i in range(3000)},
              FileNotFoundError(2, 'No such file', 'name'), map, filter,
              datetime.timedelta(1), fractions.Fraction(1, 3), pathlib.PurePosixPath('/a/b'), uuid.UUID(int=5),
              ipaddress.ip_address('1.2.3.4'), WithSetter([1, 2]), [WithSetter({}), {}]]
    values.append(values[:])
    for value in values:
        for protocol in PROTOCOLS:
            for back in PROTOCOLS:
                err, answer, text = peer.ask(back | KEEP, pickle.dumps(value, protocol))
                assert err == 0, (value, answer)
                result = pickle.loads(answer)
                assert result == value or repr(result) == repr(value), (value, result, protocol, back)
    for value in (datetime.date(2024, 2, 29), print, Point(1, 2), complex(1, 2)):
        for protocol in PROTOCOLS:
            err, answer, text = peer.ask(4, pickle.dumps(value, protocol))
            name = value.__name__ if value is print else type(value).__name__
            assert err == 19 and (name in answer.decode() or 'copyreg' in answer.decode() or
                                  '_codecs' in answer.decode()), (value, protocol, err, answer)
    print('what C does not understand is kept, or refused by name')


def check_names(peer):
    """Each of Python 2's names that Python knows, from protocol 2 to 4."""
    mapping = dict(_compat_pickle.NAME_MAPPING)
    mapping.update({(module, 'x'): (today, 'x') for module, today in _compat_pickle.IMPORT_MAPPING.items()})
    for (module, name), today in mapping.items():
        if today in (('builtins', 'IOError'), ('builtins', 'EnvironmentError')):
            today = ('builtins', 'OSError')
        data = b'\x80\x02c' + module.encode() + b'\n' + name.encode() + b'\n.'
        err, answer, text = peer.ask(4 | KEEP, data)
        assert err == 0 and text == '<%s.%s>' % today, (module, name, today, text)
    print("%d of Python 2's names become today's" % len(mapping))


def exceptions():
    special = {'UnicodeDecodeError': ('u', b'x', 0, 1, 'r'), 'UnicodeEncodeError': ('u', 'x', 0, 1, 'r'),
               'UnicodeTranslateError': ('x', 0, 1, 'r'), 'ExceptionGroup': ('g', [ValueError(1)]),
               'BaseExceptionGroup': ('g', [ValueError(1)]), 'MaybeEncodingError': ('a', 'b')}
    context = multiprocessing.context
    classes = [value for value in vars(builtins).values() if isinstance(value, type)]
    classes += [queue.Empty, queue.Full, threading.BrokenBarrierError, context.AuthenticationError,
                context.BufferTooShort, context.ProcessError, context.TimeoutError,
                multiprocessing.managers.RemoteError, multiprocessing.pool.MaybeEncodingError]
    for kind in classes:
        if issubclass(kind, BaseException) and not kind.__name__.startswith('_'):
            yield kind(*special.get(kind.__name__, ('m',)))
    futures = concurrent.futures
    yield from (futures.CancelledError('m'), futures.TimeoutError('m'), futures.InvalidStateError('m'),
                futures.BrokenExecutor('m'), futures.process.BrokenProcessPool('m'),
                futures.thread.BrokenThreadPool('m'), subprocess.CalledProcessError(1, ['x'], b'out'),
                subprocess.TimeoutExpired('x', 1.5), subprocess.SubprocessError(), socket.gaierror(-2, 'm'),
                socket.herror(1, 'm'), socket.timeout('m'), struct.error('m'), json.JSONDecodeError('m', 'doc', 1),
                binascii.Error('m'), pickle.PicklingError('m'), pickle.UnpicklingError('m'), pickle.PickleError('m'))
    yield from (OSError(2, 'm', 'file'), OSError(2, 'm', 'file', None, 'other'), OSError(2, 'm', None),
                BlockingIOError(11, 'm', 5), ValueError(1, 2, 3), KeyError())


def check_exceptions(peer):
    """All that C knows, from each protocol to each. At protocol 2 Python itself writes some as OSError."""
    count = 0
    for value in exceptions():
        for protocol in PROTOCOLS:
            wanted = pickle.loads(pickle.dumps(value, protocol))
            for back in PROTOCOLS:
                err, answer, text = peer.ask(back, pickle.dumps(value, protocol))
                assert err == 0, (value, answer)
                result = pickle.loads(answer)
                assert type(result) is type(wanted) and repr(result) == repr(wanted), (value, protocol, back, result)
                assert getattr(result, 'filename', None) == getattr(wanted, 'filename', None), (value, result)
                own_repr = type(value).__repr__ is not BaseException.__repr__ or isinstance(value, json.JSONDecodeError)
                if not own_repr and protocol > 2:
                    assert text == repr(value), (value, text)
        count += 1
    print('%d exceptions keep their class' % count)


def check_large(peer):
    values = [list(range(100000)), [float(i) for i in range(5000)], list(range(-70000, 70000, 7)),
              {i: str(i) for i in range(20000)}, {str(i): i for i in range(20000)}, set(range(20000)),
              'x' * 70000, b'y' * 70000, bytearray(b'z' * 70000), tuple(range(2500)), [[]] * 2500, '\u20ac' * 30000]
    for value in values:
        for protocol in PROTOCOLS:
            err, answer, text = peer.ask(protocol, pickle.dumps(value, protocol))
            assert err == 0, answer
            assert same(value, pickle.loads(answer), {}), protocol
    print('large values are the same')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('peer', nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    peer = Peer(arguments.peer)
    check_recursive(peer)
    check_recursive_exceptions(peer)
    check_names(peer)
    check_exceptions(peer)
    check_kept(peer)
    check_large(peer)
    check_comparisons(peer, 2 * arguments.count, arguments.seed)
    check_random(peer, arguments.count, arguments.seed)
    peer.close()


main()
