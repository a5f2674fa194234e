# SPDX-License-Identifier: MIT
"""The other side of test_interop_authentication, by hand: whatever digests the installed multiprocessing knows.

    python3 authentication_peer.py client|listener ADDRESS KEY HOW

HOW: a digest's name; "old" for Python before 3.12; or a way to be wrong. Exit codes: 0 both keys were proved;
3 the other side refused ours; 4 it did not prove its own; 5 it hung up."""
import hmac
import os
import socket
import struct
import sys

CHALLENGE, WELCOME, FAILURE = b"#CHALLENGE#", b"#WELCOME#", b"#FAILURE#"
DIGESTS = ("md5", "sha256", "sha384", "sha3_256", "sha3_384")


class Refused(Exception):
    pass


def send(peer, message):
    peer.sendall(struct.pack("!i", len(message)) + message)


def receive(peer):
    def read(size):
        data = b""
        while len(data) < size:
            more = peer.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data
    return read(struct.unpack("!i", read(4))[0])


def challenge_for(how):
    if how == "old":
        return os.urandom(20)
    if how == "short challenge":
        return b"{sha256}" + os.urandom(15)
    if how == "unknown challenge":
        return b"{sha512}" + os.urandom(40)
    return b"{%s}" % (how if how in DIGESTS else "sha256").encode() + os.urandom(40)


def is_right(key, challenge, how, answer):
    if how == "old":
        return answer == hmac.new(key, challenge, "md5").digest()
    return answer == b"{%s}" % how.encode() + hmac.new(key, challenge, how).digest()


def deliver(peer, key, how):
    challenge = challenge_for(how)
    send(peer, CHALLENGE + challenge)
    right = is_right(key, challenge, how if how in DIGESTS + ("old",) else "sha256", receive(peer))
    send(peer, WELCOME if right else FAILURE)
    if not right:
        sys.exit(4)


def answer(peer, key, how):
    message = receive(peer)
    if not message.startswith(CHALLENGE + b"{sha256}") or len(message) != 11 + 8 + 40:
        sys.exit(4)
    message = message[11:]
    if how == "old":
        reply = hmac.new(key, message, "md5").digest()
    elif how == "unknown answer":
        reply = b"{sha512}" + hmac.new(key, message, "sha512").digest()
    elif how == "short answer":
        reply = b"{sha256}" + hmac.new(key, message, "sha256").digest()[:31]
    elif how == "empty answer":
        reply = b""
    elif how == "no frame":
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        raise Refused if receive(peer) == FAILURE else EOFError
    else:
        name = how if how in DIGESTS else "sha256"
        reply = b"{%s}" % name.encode() + hmac.new(key, message, name).digest()
    send(peer, reply)
    verdict = receive(peer)
    if verdict != WELCOME:
        raise Refused


def main(role, address, key, how):
    peer = socket.socket(socket.AF_UNIX)
    key = key.encode()
    try:
        if role == "client":
            peer.connect(address)
            answer(peer, key, how)
            deliver(peer, key, how)
        else:
            peer.bind(address)
            peer.listen(1)
            peer = peer.accept()[0]
            deliver(peer, key, how)
            answer(peer, key, how)
        send(peer, receive(peer))
    except Refused:
        return 3
    except (EOFError, ConnectionError):
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
