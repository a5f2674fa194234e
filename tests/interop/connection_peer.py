# SPDX-License-Identifier: MIT
"""The Python side of test_interop_connection: python3 connection_peer.py client|listener ADDRESS KEY.
Echoes messages until the end. A wrong key is exit code 3."""
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener


def echo(connection):
    try:
        while True:
            connection.send_bytes(connection.recv_bytes())
    except EOFError:
        pass


def main(role, address, key):
    if ":" in address:
        host, port = address.rsplit(":", 1)
        address = (host, int(port))
    key = key.encode() or None
    try:
        if role == "client":
            echo(Client(address, authkey=key))
        else:
            with Listener(address, authkey=key) as listener:
                print("ready", flush=True)
                echo(listener.accept())
    except AuthenticationError:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
