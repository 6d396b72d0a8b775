"""Messages between processes: JSON and plain NumPy arrays over a TCP connection. Nothing that arrives is ever unpickled."""

import contextlib
import json
import math
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SIZES = struct.Struct("<QQ")
"""What a message begins with: the bytes of its JSON, and those of its arrays."""
SILENCE = 30
"""Seconds after which a machine that no longer answers, or has gone from the network, counts as lost."""
PROBE = 5
"""Seconds between two probes of a silent connection, which the systems at both ends exchange by themselves."""


class Message(NamedTuple):
    """What it is about (``tag``), a JSON value, and arrays of numbers."""

    tag: str
    value: Any = None
    arrays: Sequence[np.ndarray] = ()


class Channel:
    """A connection to another process; what goes wrong with it is an OSError."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        probes = {
            "TCP_KEEPIDLE": PROBE,
            "TCP_KEEPINTVL": PROBE,
            "TCP_KEEPCNT": SILENCE // PROBE - 1,
            "TCP_USER_TIMEOUT": 1000 * SILENCE,
        }
        for name, value in probes.items():
            if hasattr(socket, name):  # not all of them are everywhere
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def __del__(self):
        self._connection.close()

    def fileno(self) -> int:
        """So that `select.select` takes it."""
        return self._connection.fileno()

    def patience(self, seconds: float | None) -> None:
        """How long `send` and `receive` wait; None: as long as the other end is there."""
        self._connection.settimeout(seconds)

    def send(self, message: Message) -> None:
        """Send a message."""
        arrays = [np.asarray(x) for x in message.arrays]
        forms = [[x.dtype.str, x.shape] for x in arrays]
        head = json.dumps([message.tag, message.value, forms]).encode()
        self._connection.sendall(SIZES.pack(len(head), sum(x.nbytes for x in arrays)) + head)
        for x in arrays:
            self._connection.sendall(x.tobytes())

    def receive(self, most: int | None = None) -> Message:
        """Wait for a message and return it. ``most``: bytes that it may have (default: any number)."""
        head, body = SIZES.unpack(self._bytes(SIZES.size))
        if most is not None and head + body > most:
            raise ConnectionError("no message of jaxq")
        try:
            tag, value, forms = json.loads(bytes(self._bytes(head)))
            data, arrays, at = self._bytes(body), [], 0
            for name, shape in forms:
                kind, count = np.dtype(name), math.prod(shape)
                if kind.kind not in "biuf":
                    raise ValueError(name)
                arrays.append(np.frombuffer(data, kind, count, at).reshape(shape))
                at += count * kind.itemsize
        except (ValueError, TypeError, RecursionError):
            raise ConnectionError("no message of jaxq") from None
        return Message(tag, value, arrays)

    def _bytes(self, count: int) -> bytearray:
        found = bytearray(count)
        view = memoryview(found)
        while len(view):
            read = self._connection.recv_into(view)
            if not read:
                raise ConnectionError("closed")
            view = view[read:]
        return found

    def ended(self) -> bool:
        """Whether the other end has closed; to be asked where there is something to read."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def close(self) -> None:
        """Nothing more will come. What was sent before still arrives."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._connection.close()
