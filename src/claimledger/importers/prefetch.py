"""Reads and checks files in a second process while the ledger writes the records.

Checking and writing take about the same time, so with two cores a large import takes little longer than the
writing. Checked records are sent as plain values. The reader waits if the writer falls behind, so that the
memory in use is bounded.
"""

from __future__ import annotations

import marshal
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

from claimledger.errors import InvalidInputError, Problem
from claimledger.ledger import InvalidRecord, RecordInput, may_fork

Incoming = RecordInput | InvalidRecord
Reader = Callable[[list[str]], Iterator[Incoming]]

_LARGE = 4 * 1024 * 1024
"""The total size in bytes from which a second process saves more time than it takes to start."""

_BATCH = 250
_PIPE = 1024 * 1024
_SET_PIPE_SIZE = 1031  # Linux's F_SETPIPE_SZ


def worth_it(paths: Iterable[str]) -> bool:
    """Whether the files are large enough for a second process, and the machine has a second core."""
    if sys.platform != "linux" or (os.cpu_count() or 1) < 2 or not may_fork():
        return False  # without fork, starting a process takes as long as it saves
    sizes = (Path(path).stat().st_size for path in paths if path != "-" and Path(path).is_file())
    return sum(sizes) >= _LARGE


def ahead(read: Reader, paths: list[str]) -> Iterator[Incoming]:
    """Start a second process that reads files; return an iterator over its records, in order.

    The iterator raises :class:`InvalidInputError` if the process ends early.
    """
    import fcntl  # imported late: Windows does not have it

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with suppress(OSError):  # a larger buffer for the records read while the ledger writes a batch
        fcntl.fcntl(sender.fileno(), _SET_PIPE_SIZE, _PIPE)
    process = context.Process(target=_send, args=(read, paths, sender), daemon=True)
    process.start()
    sender.close()
    return _received(receiver, process)


def _send(read: Reader, paths: list[str], sender: Connection) -> None:
    incoming = iter(read(paths))
    while batch := list(islice(incoming, _BATCH)):
        plain = [tuple(record) for record in batch if isinstance(record, RecordInput)]
        if len(plain) == len(batch):
            # These are plain values, for which marshal takes half the time of pickle.
            sender.send_bytes(b"g" + marshal.dumps(plain))
        else:
            sender.send_bytes(b"p" + pickle.dumps(batch))
    sender.send_bytes(b".")


def _received(
    receiver: Connection, process: multiprocessing.process.BaseProcess
) -> Iterator[Incoming]:
    try:
        while (message := receiver.recv_bytes())[:1] != b".":
            if message[:1] == b"g":
                yield from map(RecordInput._make, marshal.loads(message[1:]))
            else:
                yield from pickle.loads(message[1:])
    except EOFError:
        process.join()
        what = f"the process that reads the files ended early (status {process.exitcode})"
        raise InvalidInputError([Problem(what)]) from None
    finally:
        receiver.close()
        process.terminate()
        process.join()
