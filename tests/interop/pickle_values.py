# SPDX-License-Identifier: MIT
"""Random values for test_pickle.py, and how to tell whether two are the same."""
import queue
import string
import struct
import threading

INTS = [0, 1, -1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**61 - 1, 2**61,
        -2**61, -2**61 - 1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64, 2**255, -2**255, 2**2040 - 1, -2**2047]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e15, 123456789012345680.0, 1e-4, 1e-5, 5e-324, 2.2250738585072014e-308,
          1.7976931348623157e308, float('inf'), float('-inf'), 2.0**-44, 2.0**70, 1e22, 1e23, 2.0**256, 2.0**-255,
          2.0**-256, 9007199254740993.0, 0.3, 100.0]
TEXTS = ['', 'a', 'hello', "it's", '"', '\'"', 'tab\t\n\r\\', '\0', 'h\u00e9', '\u20ac', '\U0001f600', '\ud800',
         'x' * 255, 'y' * 256, '\u00ff' * 200, '\x7f\x80\xa0\xad', '\ufeff', '\u061c', '\U0001d173']


# ---- making ----

def random_int(r):
    kind = r.random()
    if kind < 0.3:
        return r.choice(INTS)
    if kind < 0.7:
        return r.randint(-300, 70000)
    return r.randint(-1, 1) * r.getrandbits(r.choice((8, 31, 32, 62, 63, 64, 65, 200, 3000)))


def random_float(r):
    if r.random() < 0.3:
        return r.choice(FLOATS)
    if r.random() < 0.5:
        return struct.unpack('<d', struct.pack('<Q', r.getrandbits(52) | r.randrange(2047) << 52))[0]
    return r.uniform(-1000, 1000)


def random_text(r):
    if r.random() < 0.4:
        return r.choice(TEXTS)
    return ''.join(r.choice(string.printable) for _ in range(r.choice((1, 3, 8, 20, 300))))


def random_bytes(r, count):
    return bytes(r.randrange(256) for _ in range(count))


def random_scalar(r):
    return r.choice((lambda r: None, lambda r: True, lambda r: False, random_int, random_int, random_float,
                     random_text, random_text,
                     lambda r: random_bytes(r, r.choice((0, 1, 5, 255, 256, 700)))))(r)


def random_exception(r, made, args=None):
    """`made` are the containers so far: one may occur again, in itself too."""
    if not args and r.random() < 0.15:
        # with an errno, since protocol 2 has OSError for them all
        e = r.choice((OSError(2, 'm', 'file'), OSError(13, 'm'), OSError(104, 'm'), BlockingIOError(11, 'm', 5),
                      OSError(17, 'm', 'file', None, 'other')))
    else:
        kind = r.choice((KeyError, ValueError, IndexError, queue.Empty, queue.Full, threading.BrokenBarrierError,
                         RuntimeError, StopIteration, EOFError, ZeroDivisionError))
        e = kind(*(args or (lambda: [random_value(r, 1, made) for _ in range(r.randrange(3))]))())
    made.append(e)
    if r.random() < 0.2:
        e.note = random_value(r, 1, made)
    return e


def random_key(r, depth, made, in_order=False):
    """Exceptions are alike only where their order tells them apart."""
    if depth > 0 and r.random() < 0.15:
        kind = r.choice((tuple, frozenset))
        return kind(random_key(r, depth - 1, made) for _ in range(r.randrange(4)))
    if r.random() < 0.05:
        return random_exception(r, made, lambda: [r.choice('ab') if in_order else len(made)])
    return random_scalar(r)


def random_value(r, depth, made):
    kind = r.random()
    if made and kind < 0.05:
        return r.choice(made)
    if depth == 0 or kind < 0.3:
        return float('nan') if r.random() < 0.02 else random_scalar(r)
    count = r.choice((0, 1, 2, 3, 4, 5, 9, 20))
    if kind < 0.5:
        value = []
        made.append(value)
        value.extend(random_value(r, depth - 1, made) for _ in range(count))
    elif kind < 0.7:
        value = {}
        made.append(value)
        value.update((random_key(r, 2, made, True), random_value(r, depth - 1, made)) for _ in range(count))
    elif kind < 0.8:
        value = tuple(random_value(r, depth - 1, made) for _ in range(count))
        made.append(value)
    elif kind < 0.87:
        value = set()
        made.append(value)
        value.update(random_key(r, 2, made) for _ in range(count))
    elif kind < 0.93:
        value = frozenset(random_key(r, 2, made) for _ in range(count))
        made.append(value)
    elif kind < 0.96:
        value = bytearray(random_bytes(r, count))
        made.append(value)
    else:
        value = random_exception(r, made)
    return value


# ---- comparing: types, bits of floats, order of dicts, who is shared with whom ----

def same(a, b, seen):
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack('<d', a) == struct.pack('<d', b)
    if isinstance(a, (type(None), bool, int, str, bytes)):
        return a == b
    if isinstance(a, (tuple, frozenset)) and len(a) == 0:
        return len(b) == 0
    if id(a) in seen:
        return seen[id(a)] == id(b)
    seen[id(a)] = id(b)
    if isinstance(a, bytearray):
        return a == b
    if isinstance(a, BaseException):
        return len(a.args) == len(b.args) and all(same(v, w, seen) for v, w in zip(a.args, b.args)) and \
            same(a.__dict__, b.__dict__, seen) and getattr(a, 'filename', 0) == getattr(b, 'filename', 0)
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(k, l, seen) and same(v, w, seen)
                                        for (k, v), (l, w) in zip(a.items(), b.items()))
    if isinstance(a, (set, frozenset)):
        (plain, others), (plain_b, others_b) = split(a), split(b)
        return plain == plain_b and sorted(map(repr, flat(plain))) == sorted(map(repr, flat(plain_b))) and \
            len(others) == len(others_b) and all_match(others, others_b, seen)
    return len(a) == len(b) and all(same(v, w, seen) for v, w in zip(a, b))


def has_exception(key):
    return isinstance(key, BaseException) or isinstance(key, (tuple, frozenset)) and any(map(has_exception, key))


def split(items):
    """Those that are equal if they look alike, and those that have exceptions, which are equal to themselves."""
    others = [item for item in items if has_exception(item)]
    return {item for item in items if not has_exception(item)}, others


def flat(items):
    """The leaves: sets in sets print in any order."""
    for item in items:
        if isinstance(item, (tuple, frozenset)):
            yield len(item)
            yield from flat(item)
        else:
            yield item


def all_match(left, right, seen):
    """Sets have any order: for every item another one that is the same, and leaves the rest one each."""
    if not left:
        return True
    for i, item in enumerate(right):
        trial = dict(seen)
        if same(left[0], item, trial) and all_match(left[1:], right[:i] + right[i + 1:], trial):
            seen.update(trial)
            return True
    return False


def has_order(value, seen):
    """Whether repr() is the same everywhere: not with sets, nor with long ints."""
    if isinstance(value, int):
        return value.bit_length() < 14000
    if isinstance(value, (set, frozenset)):
        return len(value) < 2 and all(has_order(item, seen) for item in value)
    if isinstance(value, (list, tuple, dict, BaseException)):
        if id(value) in seen:
            return True
        seen.add(id(value))
        if isinstance(value, BaseException):
            return has_order(value.args, seen)
        if isinstance(value, dict):
            return all(has_order(k, seen) and has_order(v, seen) for k, v in value.items())
        return all(has_order(item, seen) for item in value)
    return True


# ---- pairs that may be equal ----

NUMBERS = [0, 1, -1, True, False, 0.0, -0.0, 1.0, 2**53, float(2**53), 2**53 + 1, 2**70, 2.0**70, -2**70, -2.0**70,
           2**1023, 2.0**1023, 2**1024, float('inf'), float('-inf'), 0.5, 1e22, 10**22, 10**23, 1e23, 2**62,
           float(2**62), 2**61, 2.0**61, -2**61, -2.0**61, 2**63, 2.0**63, -2**63, -2.0**63, 255, 256, 2**64 - 1,
           float(2**64), 5e-324, -(2**61) - 1]


def simple_scalar(r):
    return r.choice((r.choice(NUMBERS), r.choice(NUMBERS), r.choice(('', 'a', 'b', '1', '\ud800', 'x' * 70)),
                     r.choice((b'', b'a', b'1', b'y' * 70)), None))


def simple_key(r, depth):
    if depth and r.random() < 0.4:
        return r.choice((tuple, frozenset))(simple_key(r, depth - 1) for _ in range(r.randrange(4)))
    return simple_scalar(r)


def simple_value(r, depth):
    kind, count = r.random(), r.choice((0, 1, 2, 3, 12))
    if depth == 0 or kind < 0.35:
        return bytearray(b'a') if r.random() < 0.05 else simple_scalar(r)
    if kind < 0.5:
        return [simple_value(r, depth - 1) for _ in range(count)]
    if kind < 0.65:
        return tuple(simple_value(r, depth - 1) for _ in range(count))
    if kind < 0.75:
        return {simple_key(r, 1): simple_value(r, depth - 1) for _ in range(count)}
    return r.choice((set, frozenset))(simple_key(r, 1) for _ in range(count))


def variant(r, value):
    """Something that is often equal to it, but of other types."""
    some = lambda items: [variant(r, item) if r.random() < 0.5 else item for item in items]
    try:
        if isinstance(value, bool):
            return r.choice((int(value), float(value), value))
        if isinstance(value, int):
            return r.choice((float(value), value, value + 1))
        if isinstance(value, float):
            return r.choice((int(value), value)) if value == int(value) else value
        if isinstance(value, (bytes, bytearray)):
            return r.choice((bytes(value), bytearray(value), value.decode()))
        if isinstance(value, (list, tuple)):
            return r.choice((type(value), type(value), type(value), list))(some(value))
        if isinstance(value, dict):
            items = list(value.items())
            r.shuffle(items)
            return dict(zip(some(key for key, _ in items), some(item for _, item in items)))
        if isinstance(value, (set, frozenset)):
            items = list(value)
            r.shuffle(items)
            return r.choice((set, frozenset))(some(items))
    except (OverflowError, TypeError): # too large for a float; not hashable
        pass
    return value


def random_pair(r):
    value = simple_value(r, r.randrange(4))
    return [value, variant(r, value) if r.random() < 0.8 else simple_value(r, r.randrange(3))]


def comparison(a, b):
    """'1' or '0': equal, b in {a} ('u': one of them is unhashable), a is true."""
    try:
        hash(a), hash(b)
        found = str(int(b in {a}))
    except TypeError:
        found = 'u'
    return str(int(a == b)) + found + str(int(bool(a)))
