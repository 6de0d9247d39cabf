"""A state machine drives a ledger and a model of it, and compares their records at several points in time."""

from __future__ import annotations

import shutil
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backends import drop_databases, new_location
from claimledger.errors import InvalidInputError, RuleViolationError
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from
from hypothesis_profile import trials_in

Model = dict[tuple[str, str], dict[str, Any]]
texts = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(str.strip)


class LedgerMachine(RuleBasedStateMachine):
    """``snapshots[size]`` maps kind and key to the fields of each record that is current after ``size`` entries."""

    claims = Bundle("claims")

    @initialize()
    def create_ledger(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.location = new_location(self.folder)
        self.ledger = Ledger.create(self.location)
        self.current: Model = {}
        self.snapshots: list[Model] = [{}]
        self.versions: list[dict[str, Any]] = []
        self.number = 0
        for record in (
            {"kind": "party", "key": "p", "name": "P"},
            {"kind": "source", "key": "s", "title": "S"},
            {"kind": "subject", "key": "t", "label": "T"},
        ):
            self.write(record)

    def write(self, record_fields: dict[str, Any]) -> None:
        self.ledger.import_records([RecordInput.of(record_from(record_fields))], by="M")
        fields = {
            name: value for name, value in record_fields.items() if name not in ("kind", "key")
        }
        self.add_snapshot({**self.current, (record_fields["kind"], record_fields["key"]): fields})
        self.versions.append(record_fields)

    def add_snapshot(self, model: Model) -> None:
        self.current = model
        self.snapshots.append(model)

    def claim(self, key: str, statement: str) -> dict[str, Any]:
        return {"kind": "claim", "key": key, "statement": statement, "claimant": ["p"], "subject": "t",
                "citations": [{"source": "s"}]}  # fmt: skip

    @rule(target=claims, statement=texts)
    def record(self, statement: str) -> str:
        self.number += 1
        key = f"c-{self.number}"
        self.write(self.claim(key, statement))
        return key

    @rule(key=claims, statement=texts)
    def amend(self, key: str, statement: str) -> None:
        stored = self.current.get(("claim", key))
        if stored is None or stored["statement"] == statement:
            with pytest.raises(RuleViolationError):
                self.ledger.amend("claim", key, {"statement": statement}, by="M", reason="r")
            return
        try:
            self.ledger.amend("claim", key, {"statement": statement}, by="M", reason="r")
        except RuleViolationError:
            # Statements that differ only in their Unicode normalisation are the same to the ledger.
            assert unicodedata.normalize("NFC", statement) == unicodedata.normalize(
                "NFC", stored["statement"]
            )
            return
        self.add_snapshot({**self.current, ("claim", key): {**stored, "statement": statement}})
        self.versions.append(self.claim(key, statement))

    @rule(left=claims, right=claims, kind=st.sampled_from(["repeats", "contradicts", "updates"]))
    def link(self, left: str, right: str, kind: str) -> None:
        self.number += 1
        key = f"l-{self.number}"
        fields = {
            "kind": "link",
            "key": key,
            "type": kind,
            "from": left,
            "to": right,
            "basis": "judged",
        }
        try:
            self.write(fields)
        except InvalidInputError:
            missing = ("claim", left) not in self.current or ("claim", right) not in self.current
            closes_ring = kind == "updates" and self.is_update_of(right, left)
            assert missing or left == right or closes_ring

    def is_update_of(self, start: str, end: str) -> bool:
        """Return whether a chain of ``updates`` links leads from one claim to another."""
        seen, stack = set(), [start]
        while stack:
            key = stack.pop()
            if key == end:
                return True
            for (kind, _), stored in self.current.items():
                updates = kind == "link" and stored["type"] == "updates" and stored["from"] == key
                if updates and stored["to"] not in seen:
                    seen.add(stored["to"])
                    stack.append(stored["to"])
        return False

    @rule(key=claims)
    def withdraw(self, key: str) -> None:
        is_linked = any(
            kind == "link" and key in (stored["from"], stored["to"])
            for (kind, _), stored in self.current.items()
        )
        try:
            self.ledger.withdraw("claim", key, by="M", reason="r")
        except RuleViolationError:
            assert is_linked or ("claim", key) not in self.current
            return
        assert not is_linked
        self.add_snapshot(
            {name: stored for name, stored in self.current.items() if name != ("claim", key)}
        )

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def import_again(self, data: st.DataObject) -> None:
        """Importing a version that the ledger has ever stored, current or withdrawn, writes nothing."""
        version = data.draw(st.sampled_from(self.versions))
        result = self.ledger.import_records([RecordInput.of(record_from(version))], by="M")
        name = (version["kind"], version["key"])
        counts = (len(result.written), result.unchanged, result.older, result.withdrawn)
        if name not in self.current:
            assert counts == (0, 0, [], [name])
        else:
            assert counts in ((0, 1, [], []), (0, 0, [name], []))

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.location, writable=True)

    @rule()
    def rebuild(self) -> None:
        self.ledger.rebuild()

    @invariant()
    def ledger_and_model_agree(self) -> None:
        assert self.ledger.head().size == len(self.snapshots) - 1
        for size in {0, len(self.snapshots) // 2, len(self.snapshots) - 1}:
            records = {}
            for kind in ("party", "source", "subject", "claim", "link"):
                for stored in self.ledger.at(known_at=size).records(kind):
                    fields = stored.record.as_json()
                    records[kind, fields.pop("key")] = fields
            assert records == self.snapshots[size]

    def teardown(self) -> None:
        assert self.ledger.verify().faults == ()
        self.ledger.close()
        shutil.rmtree(self.folder)
        drop_databases()


@pytest.mark.at_random
def test_any_sequence_of_writes_agrees_with_the_model(store: str) -> None:
    steps = settings(trials_in(store, 25), stateful_step_count=20)
    run_state_machine_as_test(LedgerMachine, settings=steps)
