"""`verify` of a ledger large enough to be shared among cores, while others write, withdraw and redact."""

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
from claimledger.ledger.verify.verification import _WORTH_SHARING

TURNS = 4
FORKED = get_context("fork")


def write(path: LedgerLocation, ended: Event) -> None:
    """Record and amend until it is over."""
    with Ledger.open(path, writable=True) as writer:
        for number in count():
            record_all(writer, [{"kind": "party", "key": f"new{number}", "name": "New"}])
            writer.amend("party", f"p{number}", {"note": "m"}, by="T", reason="r")
            if ended.is_set():
                return


def redact(path: LedgerLocation, ended: Event) -> None:
    """Withdraw and redact until it is over."""
    with Ledger.open(path, writable=True) as writer:
        for number in count(10_000):
            writer.withdraw("party", f"p{number}", by="T", reason="r")
            writer.redact("party", f"p{number}", by="T", reason="r")
            if ended.is_set():
                return


@pytest.mark.parametrize("others_are", ["processes", "threads"])
def test_verify_gives_no_false_alarm_beside_writers_and_redactions(
    others_are: str, path: LedgerLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.create(path) as ledger:
        count = range(_WORTH_SHARING + 500)
        record_all(
            ledger, [{"kind": "party", "key": f"p{place}", "name": f"P {place}"} for place in count]
        )
    ended = FORKED.Event()
    start: Callable[..., Any] = threading.Thread
    if others_are == "processes":
        start = FORKED.Process
        # Beside the test's own threads, none of which has a ledger open.
        monkeypatch.setattr("claimledger.ledger.verify.verification.may_fork", lambda: True)
    others = [start(target=work, args=(path, ended), daemon=True) for work in (write, redact)]
    for right in others:
        right.start()
    try:
        sizes: list[int] = []
        while len(sizes) < TURNS or (len(set(sizes)) < TURNS and len(sizes) < 5 * TURNS):
            with Ledger.open(path) as reader:
                verdict = reader.verify()
            assert verdict.faults == ()
            sizes.append(verdict.size)
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 1  # others did write meanwhile
    finally:
        ended.set()
        for right in others:
            right.join(60)
    assert not any(right.is_alive() for right in others)
    assert all(getattr(right, "exitcode", 0) == 0 for right in others)
    with Ledger.open(path, writable=True) as ledger:
        assert ledger.scrub() == ""
        verdict = ledger.verify()
    assert verdict.clean
    assert len(verdict.redactions) > 0


def test_a_process_with_other_threads_is_not_forked() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, daemon=True)
    thread.start()
    try:
        assert not may_fork()
    finally:
        over.set()
        thread.join()
