"""``verify`` of a ledger large enough for several processes, while others write, withdraw and redact."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Any

import pytest

from builders import record_all
from claimledger.ledger import Ledger, LedgerLocation, may_fork
from claimledger.ledger.verify.verification import _LEAST_SHARED_ENTRIES

ROUNDS = 4
FORK = get_context("fork")


def write(path: LedgerLocation, ended: Event) -> None:
    """Record and amend until ``ended`` is set."""
    with Ledger.open(path, writable=True) as writer:
        for number in count():
            record_all(writer, [{"kind": "party", "key": f"new{number}", "name": "New"}])
            writer.amend("party", f"p{number}", {"note": "m"}, by="T", reason="r")
            if ended.is_set():
                return


def redact(path: LedgerLocation, ended: Event) -> None:
    """Withdraw and redact until ``ended`` is set."""
    with Ledger.open(path, writable=True) as writer:
        for number in count(10_000):
            writer.withdraw("party", f"p{number}", by="T", reason="r")
            writer.redact("party", f"p{number}", by="T", reason="r")
            if ended.is_set():
                return


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_verify_reports_no_fault_while_others_write_and_redact(
    kind: str, path: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        numbers = range(_LEAST_SHARED_ENTRIES + 500)
        record_all(
            ledger,
            [{"kind": "party", "key": f"p{number}", "name": f"P {number}"} for number in numbers],
        )
    ended = FORK.Event()
    start: Callable[..., Any] = threading.Thread
    if kind == "processes":
        start = FORK.Process
        # The other threads of the test process have no ledger open, so forking is safe.
        monkeypatch.setattr("claimledger.ledger.verify.verification.may_fork", lambda: True)
    writers = [start(target=work, args=(path, ended), daemon=True) for work in (write, redact)]
    for writer in writers:
        writer.start()
    try:
        sizes: list[int] = []
        while len(sizes) < ROUNDS or (len(set(sizes)) < ROUNDS and len(sizes) < 5 * ROUNDS):
            with Ledger.open(path) as reader:
                verification = reader.verify()
            assert verification.faults == ()
            sizes.append(verification.size)
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 1  # the writers did write meanwhile
    finally:
        ended.set()
        for writer in writers:
            writer.join(60)
    assert not any(writer.is_alive() for writer in writers)
    assert all(getattr(writer, "exitcode", 0) == 0 for writer in writers)
    with Ledger.open(path, writable=True) as ledger:
        assert ledger.scrub() == ""
        verification = ledger.verify()
    assert verification.clean
    assert len(verification.redactions) > 0


def test_a_process_with_other_threads_does_not_fork() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, daemon=True)
    thread.start()
    try:
        assert not may_fork()
    finally:
        ended.set()
        thread.join()
