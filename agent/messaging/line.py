"""The connection under the link: which thread may touch it, and how it is dropped."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import threading
from typing import Any

from paho.mqtt.client import Client

BEHIND_BYTES = 65_536
"""What may be under way to the broker when a picture of live video is sent: no more than one such picture."""


def serve(client: Client, client_id: str) -> None:
    """Read and write for `client` until its connection ends.

    On a thread of paho's, which `loop_start` makes: only then do those who publish leave the socket to it. OpenSSL lets
    no two threads at one connection, and the broker ends it with "bad record mac".
    """
    client.loop_start()
    for thread in threading.enumerate():
        if thread.name == f"paho-mqtt-client-{client_id}":
            thread.join()
    client.loop_stop()


def send_at_once(_client: Client, _userdata: Any, line: Any) -> None:
    """No waiting to fill a packet: with it an alert behind others takes 40 ms more."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def hang_up(line: socket.socket) -> None:
    """Drop a connection without a word; whoever reads from it finds its end."""
    with contextlib.suppress(OSError):
        # not SSLSocket's own, which takes the encryption from under the thread that reads
        socket.socket.shutdown(line, socket.SHUT_RDWR)


def is_clear(client: Client) -> bool:
    """Whether what was published has left this machine, up to BEHIND_BYTES: newest pictures must queue neither here,
    where records would stand behind them, nor in the kernel, which alone holds megabytes for a slow network."""
    line = client.socket()
    if line is None or client.want_write():
        return False
    try:
        answer = fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))  # tcp(7): bytes not acknowledged yet
    except (OSError, ValueError):  # closed meanwhile
        return False
    return int(struct.unpack("i", answer)[0]) <= BEHIND_BYTES
