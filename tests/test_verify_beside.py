"""`verify` of a ledger large enough to be shared among cores, while others write, withdraw and redact."""

from __future__ import annotations

import threading
from itertools import count

from claimledger.ledger import Ledger, Where
from claimledger.ledger.verify import _WORTH_SHARING
from small_cases import record

TURNS = 4


def test_verify_gives_no_false_alarm_beside_writers_and_redactions(path: Where) -> None:
    with Ledger.create(path) as ledger:
        record(
            ledger,
            [
                {"kind": "party", "key": f"p{place}", "name": f"Party {place}", "note": "n" * 20}
                for place in range(_WORTH_SHARING + 500)
            ],
        )
    ended = threading.Event()
    done: dict[str, int] = {"written": 0, "redacted": 0}
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with Ledger.open(path, writable=True) as writer:
                for number in count():
                    if ended.is_set():
                        return
                    record(writer, [{"kind": "party", "key": f"new{number}", "name": "New"}])
                    writer.amend("party", f"p{number}", {"note": "m"}, by="T", reason="r")
                    done["written"] += 2
        except BaseException as error:
            failed.append(error)

    def redact() -> None:
        try:
            with Ledger.open(path, writable=True) as writer:
                for number in count(10_000):
                    if ended.is_set():
                        return
                    writer.withdraw("party", f"p{number}", by="T", reason="r")
                    writer.redact("party", f"p{number}", by="T", reason="r")
                    done["redacted"] += 1
        except BaseException as error:
            failed.append(error)

    others = [threading.Thread(target=write), threading.Thread(target=redact)]
    for other in others:
        other.start()
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
        for other in others:
            other.join()
    assert failed == []
    assert min(done.values()) > 0
    with Ledger.open(path, writable=True) as ledger:
        assert ledger.scrub() == ""
        assert ledger.verify().clean
