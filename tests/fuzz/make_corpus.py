# SPDX-License-Identifier: MIT
"""Writes the corpus of fuzz_pickle, one small pickle a construct and protocol; of fuzz_framing; of
fuzz_authentication.

    python3 make_corpus.py pickle|framing|authentication FOLDER"""
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


def pickles():
    for name, value in values():
        for protocol in range(2, 6):
            yield '%s_%d.pickle' % (name, protocol), pickle.dumps(value, protocol)


def frames():
    """See fuzz_framing.c. A piece is what it brings and, of messages, whether more of its message follow."""
    def of(flags, *pieces):
        data = bytes([flags])
        for piece in pieces:
            piece, control = piece if isinstance(piece, tuple) else (piece, 0)
            assert len(piece) < 63
            data += bytes([control | (len(piece) if flags & 1 or not piece else len(piece) - 1)]) + piece
        return data
    mark = b'#MPROC-HANDLE#'
    more, lost, all_wanted = 64, 128, 63
    long = b'\xff' * 4
    yield 'empty', b''
    yield 'zero', of(0, bytes(4))
    yield 'small', of(0, bytes(3) + b'\5', b'hello')
    yield 'split', of(0, *[bytes([b]) for b in b'\0\0\0\5hello\0\0\0\1x'])
    yield 'long_form', of(0, long, bytes(7) + b'\5', b'hello', long + bytes(8))
    yield 'cut_header', of(0, b'\0\0')
    yield 'cut_long', of(0, long, b'\0\0')
    yield 'cut', of(0, b'\0\0\0\5', b'hel')
    yield 'negative', of(0, b'\x80\0\0\0')
    yield 'minus_two', of(0, long[:3] + b'\xfe')
    yield 'most', of(0, b'\x7f' + long[:3], b'some')
    yield 'huge', of(0, long, b'\0\0\x7f' + bytes(5), b'some')
    yield 'impossible', of(0, long, long + long)
    yield 'limit', of(8, b'\0\0\0\x14', b'x' * 20, b'\0\0\0\x15')
    yield 'handle', of(0, b'\0\0\0\x0f', (mark + b'\1', lost), b'\0\0\0\x0f', mark + b'\1')
    yield 'filled', of(0, b'\0\0\x10\0') + bytes([all_wanted]) + b'y' * 4096
    yield 'message', of(1, b'hello', b'', b'x')
    yield 'parts', of(1, (b'hel', more), (b'', more), b'lo', b'x')
    yield 'message_limit', of(5, (b'123', more), b'45')
    yield 'message_handle', of(1, mark + b'\1' + bytes(8), (mark, more), b'\x13' + bytes(8), mark + b'\x14')
    yield 'message_escaped_limit', of(9, mark + b'\0' + mark + b'123456', mark + b'\0' + mark + b'1234567')
    yield 'message_escaped', of(1, mark + b'\0' + mark + b'\1', mark + b'\0', mark)


def handshakes():
    """See fuzz_authentication.c."""
    def raw(message):
        return b'\0' + len(message).to_bytes(2, 'little') + message
    client, listener, refuse = 0, 1, 2
    md5, sha256, sha384, sha3_256, sha3_384, old = range(6)
    welcome, failure = b'\3', b'\7'

    def right(digest):
        return bytes([1 | digest << 2])

    def wrong(digest, bit):
        return bytes([2 | digest << 2, bit])

    def challenge(part, length):
        return bytes([3 | part << 2, length])
    for name, digest in (('md5', md5), ('sha256', sha256), ('sha384', sha384), ('sha3_256', sha3_256),
                         ('sha3_384', sha3_384), ('old', old)):
        yield 'listener_' + name, bytes([listener]) + right(digest) + challenge(3, 40) + welcome
        yield 'listener_refuse_' + name, bytes([listener | refuse]) + right(digest) + challenge(3, 40) + welcome
        yield 'listener_wrong_' + name, bytes([listener]) + wrong(digest, 77)
        yield 'client_' + name, bytes([client]) + challenge(3, 40) + welcome + right(digest)
    yield 'client_old_challenge', bytes([client]) + challenge(2, 20) + welcome + right(old)
    yield 'client_md5_challenge', bytes([client]) + challenge(4, 40) + failure
    yield 'client_md5_refused', bytes([client | refuse]) + challenge(4, 40)
    yield 'client_short', bytes([client]) + challenge(3, 15)
    yield 'client_unknown', bytes([client]) + challenge(7, 40)
    yield 'client_longest', bytes([client]) + challenge(3, 237) + welcome + right(sha256)
    yield 'client_too_long', bytes([client]) + raw(b'#CHALLENGE#{sha256}' + b'r' * 238)
    yield 'client_liar', bytes([client]) + raw(b'hello')
    yield 'listener_empty', bytes([listener]) + raw(b'')
    yield 'listener_too_long', bytes([listener]) + raw(b'{sha256}' + b'r' * 600)
    yield 'listener_unknown', bytes([listener]) + raw(b'{crc32}1234')
    yield 'listener_no_verdict', bytes([listener]) + right(sha256) + challenge(6, 40) + raw(b'#WELCOME')
    yield 'listener_over', bytes([listener]) + right(sha256) + challenge(3, 40) + welcome + welcome


def main():
    kind, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name, data in {'pickle': pickles, 'framing': frames, 'authentication': handshakes}[kind]():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(data)


main()
