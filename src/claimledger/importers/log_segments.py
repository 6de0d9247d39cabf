"""Reads the files that ``backup --since`` writes: log entries that continue a copy of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from claimledger.errors import StoreError
from claimledger.ledger import FORMAT, LARGEST_PAYLOAD, Entry, LogSegment, TreeHead, entry_of

LARGEST_LINE = 6 * LARGEST_PAYLOAD + 1024 * 1024
"""The largest number of bytes in a line: enough for a payload of which JSON escapes each byte as six."""

_FILE_OF_SQLITE = b"SQLite format 3\x00"


def is_segment(path: str) -> bool:
    """Whether a file is not a whole ledger; raise :class:`StoreError` if it cannot be read."""
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise StoreError(f"{path} is a device or a pipe; a backup is one file")
    try:
        with Path(path).open("rb") as file:
            head = file.read(len(_FILE_OF_SQLITE))
    except IsADirectoryError:
        raise StoreError(f"{path} is a folder; a backup is one file") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    return head != _FILE_OF_SQLITE


@contextmanager
def reading_segment(path: str) -> Iterator[LogSegment]:
    """Open a file of log entries and yield it as a segment, whose entries are read one by one.

    Raises :class:`StoreError` if the file is not such a backup or has an unknown format.
    """
    try:
        with Path(path).open("rb") as file:
            head = _object(file.readline(LARGEST_LINE + 1), f"{path}:1")
            if not isinstance(head, dict) or head.get("claimledger") != "entries":
                raise StoreError(f"{path} is not a backup of a ledger")
            _check_format(head.get("format"), path)
            yield LogSegment(name=path, begins=_head(head, "begins", path), ends=_head(head, "ends", path),
                         entries=_entries(file, path))  # fmt: skip
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None


def _check_format(version: object, path: str) -> None:
    if type(version) is int and version > FORMAT:
        raise StoreError(
            f"{path} was written by a newer version of claimledger (its log format is {version}, and this "
            f"version knows only {FORMAT}): use that version"
        )
    if type(version) is not int or version != FORMAT:
        raise StoreError(f"{path}:1: `format` is {version!r:.40}, but must be {FORMAT}")


def _head(first: dict[str, Any], name: str, path: str) -> TreeHead:
    value = first.get(name)
    if isinstance(value, dict) and isinstance(value.get("size"), int) and value["size"] >= 0:
        with suppress(ValueError):
            return TreeHead(value["size"], bytes.fromhex(str(value.get("root"))))
    raise StoreError(f"{path}:1: `{name}` must have the size and the root of the log")


def _entries(file: BinaryIO, path: str) -> Iterator[tuple[str, Entry]]:
    number = 1
    while line := file.readline(LARGEST_LINE + 1):
        number += 1
        place = f"{path}:{number}"
        yield place, entry_of(_object(line, place), place)


def _object(line: bytes, place: str) -> Any:
    if len(line) > LARGEST_LINE:
        raise StoreError(
            f"{place}: the line is longer than {LARGEST_LINE // 1024**2} MiB; nothing was written"
        )
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StoreError(
            f"{place}: the line is not valid JSON ({error}); nothing was written"
        ) from None
