"""Forge logs as an attacker who knows the format: every digest, root and tree fits the invented payloads."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from backends import RawDatabase
from claimledger.importers.log_segments import reading_segment
from claimledger.ledger import Ledger, LedgerLocation, line_of
from claimledger.ledger.write.appender import history_row
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import Payload, digest_of, now, timestamp
from claimledger.log.merkle import Frontier

ROOT = Path(__file__).parent.parent
SALT = bytes(range(16))
Line = dict[str, Any]
"""A line of an exported log: number, header, payload and salt."""


def lines_of(ledger: Ledger) -> list[Line]:
    """Return the lines of a ledger's exported log."""
    return [line_of(entry) for entry in ledger.entries()]


def forged_line(
    number: int,
    payload: dict[str, Any] | str,
    *,
    moment: str = "",
    salt: bytes = SALT,
    header: dict[str, Any] | None = None,
) -> Line:
    """Return a line with a payload and a header that fits it.

    A text as ``payload`` is taken literally, so that it need not be valid JSON. ``moment`` is now if omitted;
    ``header`` adds or replaces members of the header.
    """
    moment = moment or timestamp(now())
    text = payload if isinstance(payload, str) else canonical(payload).decode()
    digest = digest_of(salt, text.encode(errors="surrogatepass"))
    members = {"digest": digest, "format": 1, "recorded_at": moment, **(header or {})}
    return {
        "number": number,
        "header": canonical(members).decode(),
        "payload": text,
        "salt": base64.b64encode(salt).decode(),
    }


def payload_of(line: Line) -> dict[str, Any]:
    """Return the parsed payload of a line."""
    payload: dict[str, Any] = json.loads(line["payload"])
    return payload


def last_entry_number(lines: list[Line], action: str, key: str) -> int:
    """Return the number of the last entry with this action on this key."""
    numbers = [
        line["number"]
        for line in lines
        if line["payload"]
        and (payload_of(line)["action"], payload_of(line)["key"]) == (action, key)
    ]
    return int(numbers[-1])


def without_payload(line: Line) -> Line:
    """Return a line without its payload, as a redaction leaves it."""
    return {**line, "payload": None, "salt": None}


def payload_members(action: str, kind: str, key: str, **members: Any) -> dict[str, Any]:
    """Return the members of a payload, recorded by Mallory unless ``members`` says otherwise."""
    return {"action": action, "kind": kind, "key": key, "recorded_by": "Mallory", **members}


def write_segment_file(lines: list[Line], since: int, path: Path) -> Path:
    """Write the lines after the first ``since`` as a log segment, an incremental backup with fitting roots."""
    heads = []
    frontier = Frontier()
    for size, line in enumerate([*lines, None]):
        if size in (since, len(lines)):
            heads.append({"size": size, "root": frontier.root.hex()})
        if line is not None:
            frontier.append(line["header"].encode())
    first_line = {"claimledger": "entries", "format": 1, "begins": heads[0], "ends": heads[-1]}
    content = [first_line, *lines[since:]]
    path.write_text("".join(json.dumps(line) + "\n" for line in content), "utf-8")
    return path


def append_segment(location: LedgerLocation, file: Path) -> int:
    """Append the entries of a log segment to a ledger; return their number."""
    with Ledger.open(location, writable=True) as ledger, reading_segment(str(file)) as segment:
        return ledger.append_entries(segment)


def insert_unchecked(location: LedgerLocation, lines: list[Line], since: int) -> None:
    """Insert the lines after the first ``since`` into a ledger's tables, past every check."""
    frontier = Frontier()
    rows = []
    for line in lines:
        nodes = frontier.append(line["header"].encode(errors="surrogatepass"))
        salt = None if line["salt"] is None else base64.b64decode(line["salt"])
        nodes = line.get("nodes", nodes)
        rows.append((line["number"], line["header"], line["payload"], salt, nodes))
    with RawDatabase(location) as raw:
        raw.plant("entry", rows[since:])
        raw.plant("history", [row for line in lines[since:] for row in history_rows(line)])


def history_rows(line: Line) -> list[tuple[Any, ...]]:
    """Return the row of the table ``history`` for a line, or nothing if its payload cannot have one."""
    try:
        payload = Payload.of(payload_of(line))
        if not all(isinstance(text, str) for text in payload[:4]):
            return []
        return [history_row(line["number"], payload, json.loads(line["header"])["recorded_at"])]
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return []


@cache
def example_reader() -> Any:
    """Return ``docs/examples/read_log.py``, an independent reader of logs, as a module."""
    spec = spec_from_file_location("read_log", ROOT / "docs" / "examples" / "read_log.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example_reader_error(lines: Iterable[Line]) -> str:
    """Return the error that the documentation's reader reports for a log, or an empty text if it is valid."""
    reader = example_reader()
    log = reader.Log()
    try:
        for line in lines:
            log.line(json.dumps(line))
        log.end()
    except reader.Wrong as wrong:
        return str(wrong)
    return ""


Forgery = Callable[[list[Line]], list[Line]]
"""Takes a valid log and returns a copy in which an entry breaks a rule."""
