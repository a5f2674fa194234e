# SPDX-License-Identifier: MIT
"""SharedMemory and ShareableList between Python and mproc, in both directions.

    python3 test_shared_memory.py PEER...

PEER is the program of shared_peer.c, with an emulator before it if it needs one."""
import os
import subprocess
import sys
from multiprocessing import resource_tracker, shared_memory

VALUES = [7, -2**63, -2.5, True, False, None, 'hello, world', '12345678', b'a\0b', '']

TEXTS = ['h\u00e9llo', '\u00e9' * 7, '\u20ac' * 7]
SEARCHED = [2**53 + 1, 2**63 - 1, b'ab\0', 1.0, 'x', '']
SEARCHES = [2.0**53, 2.0**63, b'ab\0', b'ab', True, '']


def peer(*arguments):
    done = subprocess.run(sys.argv[1:] + [str(argument) for argument in arguments],
                          stdout=subprocess.PIPE, text=True, timeout=100)
    if done.returncode != 0:
        raise SystemExit('the peer ended with %d' % done.returncode)
    return done.stdout.splitlines()


def attach(kind, name):
    """Without that this Python takes the segment for its own and unlinks it (gh-82300)."""
    attached = kind(name=name)
    shm = getattr(attached, 'shm', attached)
    resource_tracker.unregister(shm._name, 'shared_memory')
    return attached, shm


def unlink(shm):
    resource_tracker.register(shm._name, 'shared_memory')
    shm.close()
    shm.unlink()


def line_of(value):
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return 'bool %s' % value
    if isinstance(value, int):
        return 'int %d' % value
    if isinstance(value, float):
        return 'float ' + value.hex()
    if isinstance(value, str):
        return 'str ' + value.encode().hex()
    return 'bytes ' + value.hex()


def normal(line):
    """C's %a and Python's hex() write the same number differently."""
    return 'float ' + float.fromhex(line.split()[1]).hex() if line.startswith('float') else line


def check(what, is_right):
    if not is_right:
        raise SystemExit('FAILED: ' + what)
    print('passed', what)


def memory(name):
    for size in (1, 4096, 100001):
        check('memory-create says its size', peer('memory-create', name, size) == [str(size)])
        shm, _ = attach(shared_memory.SharedMemory, name)
        check('Python sees %d bytes of C' % size,
              shm.size == size and bytes(shm.buf) == bytes(i * 7 % 256 for i in range(size)))
        unlink(shm)
        shm = shared_memory.SharedMemory(name, create=True, size=size)
        shm.buf[:] = bytes((i * 7 + 1) % 256 for i in range(size))
        check('C sees %d bytes of Python' % size, peer('memory-check', name, size) == ['ok'])
        check('what C only attached to stays', os.path.exists('/dev/shm/' + name) or not os.path.isdir('/dev/shm'))
        shm.close()
        shm.unlink()


def lists(name):
    [order] = peer('byte-order', name)
    if order != sys.byteorder:
        print('SKIP lists: they hold numbers as the machine has them, %s-endian here and %s-endian there'
              % (sys.byteorder, order))
        return
    peer('list-create', name)
    ours, shm = attach(shared_memory.ShareableList, name)
    check('Python reads a list of C', list(ours) == VALUES)
    written = bytes(shm.buf)
    check('C reads a list of its own',
          [normal(line) for line in peer('list-print', name)] == [line_of(v) for v in VALUES])
    python = shared_memory.ShareableList(VALUES)
    check('both write the same bytes', bytes(python.shm.buf) == written)
    check('both have the same format', python.format == ours.format)
    check('C reads a list of Python',
          [normal(line) for line in peer('list-print', python.shm.name)] == [line_of(v) for v in VALUES])

    answers = peer('list-change', name)
    for i, value in enumerate(reversed(VALUES)):
        try:
            python[i] = value
            expected = 'set'
        except ValueError:
            expected = 'MPROC_EMSGSIZE'
        check('item %d answers as in Python' % i, answers[i] == expected)
    check('Python reads what C has changed', list(ours) == list(python))
    check('the changed bytes are the same, but for what lies behind shorter values',
          [ours._get_packing_format(i) for i in range(len(ours))] ==
          [python._get_packing_format(i) for i in range(len(python))])
    unlink(shm)
    python.shm.close()
    python.shm.unlink()


def texts(name):
    """Python gives a text room for its characters, not for its bytes, and cuts off what does not fit."""
    if peer('byte-order', name) != [sys.byteorder]:
        return
    peer('list-texts', name)
    ours, shm = attach(shared_memory.ShareableList, name)
    check('Python reads the texts of C whole', list(ours) == TEXTS)
    python = shared_memory.ShareableList(TEXTS)
    rooms = [8 * (len(text) // 8 + 1) for text in TEXTS]
    check('C reads of the texts of Python what is there',
          peer('list-print', python.shm.name) ==
          ['str ' + text.encode()[:room].hex() for text, room in zip(TEXTS, rooms)])
    unlink(shm)
    python.shm.close()
    python.shm.unlink()


def counts(name):
    python = shared_memory.ShareableList(SEARCHED, name=name)
    if peer('byte-order', name) == [sys.byteorder]:
        check('both count the same', peer('list-count', name) == [str(python.count(value)) for value in SEARCHES])
    python.shm.close()
    python.shm.unlink()


if __name__ == '__main__':
    memory('shm-interop-%d' % os.getpid())
    lists('shm-interop-list-%d' % os.getpid())
    texts('shm-interop-texts-%d' % os.getpid())
    counts('shm-interop-counts-%d' % os.getpid())
