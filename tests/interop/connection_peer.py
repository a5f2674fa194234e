# SPDX-License-Identifier: MIT
"""The Python side of test_interop_connection: python3 connection_peer.py ROLE ADDRESS KEY.
client and listener echo messages until the end; tcp listens at a port of its own, which it writes to the file
ADDRESS; long receives a message of more than 2 GiB and sends one. A wrong key is exit code 3."""
import os
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener

LONG = 2**31 + 256


def echo(connection):
    try:
        while True:
            connection.send_bytes(connection.recv_bytes())
    except EOFError:
        pass


def exchange_long(connection):
    message = connection.recv_bytes()
    assert len(message) == LONG and message[::4093] == bytes((i * 4093) & 255 for i in range(LONG // 4093 + 1))
    del message
    connection.send_bytes(bytes(range(256)) * (LONG // 256))
    echo(connection)


def listen_at_any_port(path, key):
    with Listener(("localhost", 0), authkey=key) as listener:
        with open(path + ".new", "w") as file:
            file.write("%s:%d" % listener.address)
        os.rename(path + ".new", path)
        echo(listener.accept())


def main(role, address, key):
    if ":" in address:
        host, port = address.rsplit(":", 1)
        address = (host, int(port))
    key = key.encode() or None
    try:
        if role == "client":
            echo(Client(address, authkey=key))
        elif role == "long":
            exchange_long(Client(address, authkey=key))
        elif role == "tcp":
            listen_at_any_port(address, key)
        else:
            with Listener(address, authkey=key) as listener:
                print("ready", flush=True)
                echo(listener.accept())
    except AuthenticationError:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
