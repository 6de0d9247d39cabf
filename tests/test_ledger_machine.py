"""A state machine drives a real ledger beside a plain model, and compares every answer at every clock."""

from __future__ import annotations

import shutil
import tempfile
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
from hypothesis_profile import trials

Model = dict[tuple[str, str], dict[str, Any]]
texts = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(str.strip)


class LedgerMachine(RuleBasedStateMachine):
    """The model keeps, for each number of entries, what should stand then."""

    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.where = new_location(self.folder)
        self.ledger = Ledger.create(self.where)
        self.now: Model = {}
        self.then: list[Model] = [{}]
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
        self.note({**self.now, (record_fields["kind"], record_fields["key"]): fields})
        self.versions.append(record_fields)

    def note(self, model: Model) -> None:
        self.now = model
        self.then.append(model)

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
        stored = self.now.get(("claim", key))
        if stored is None or stored["statement"] == statement:
            try:
                self.ledger.amend("claim", key, {"statement": statement}, by="M", reason="r")
            except RuleViolationError:
                return
            same_in_nfc = stored is not None
            assert not same_in_nfc, "an amendment that changes nothing was taken"
            return
        try:
            self.ledger.amend("claim", key, {"statement": statement}, by="M", reason="r")
        except RuleViolationError:
            import unicodedata

            assert unicodedata.normalize("NFC", statement) == unicodedata.normalize(
                "NFC", stored["statement"]
            )
            return
        self.note({**self.now, ("claim", key): {**stored, "statement": statement}})
        self.versions.append(self.claim(key, statement))

    @rule(one=claims, other=claims, kind=st.sampled_from(["repeats", "contradicts", "updates"]))
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
            gone = ("claim", left) not in self.now or ("claim", right) not in self.now
            assert gone or left == right or (kind == "updates" and self.leads(right, left))

    def leads(self, start: str, end: str) -> bool:
        seen, stack = set(), [start]
        while stack:
            at = stack.pop()
            if at == end:
                return True
            for (kind, _), stored in self.now.items():
                newer = kind == "link" and stored["type"] == "updates" and stored["from"] == at
                if newer and stored["to"] not in seen:
                    seen.add(stored["to"])
                    stack.append(stored["to"])
        return False

    @rule(key=claims)
    def withdraw(self, key: str) -> None:
        pointed = any(
            kind == "link" and key in (h["from"], h["to"]) for (kind, _), h in self.now.items()
        )
        try:
            self.ledger.withdraw("claim", key, by="M", reason="r")
        except RuleViolationError:
            assert pointed or ("claim", key) not in self.now
            return
        assert not pointed
        self.note({what: stored for what, stored in self.now.items() if what != ("claim", key)})

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def import_again(self, data: st.DataObject) -> None:
        """What the ledger has held, in any version or withdrawn, writes nothing."""
        value = data.draw(st.sampled_from(self.versions))
        taken = self.ledger.import_records([RecordInput.of(record_from(value))], by="M")
        what = (value["kind"], value["key"])
        counted = (len(taken.written), taken.unchanged, taken.older, taken.withdrawn)
        if what not in self.now:
            assert counted == (0, 0, [], [what])
        else:
            assert counted in ((0, 1, [], []), (0, 0, [what], []))

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.where, writable=True)

    @rule()
    def rebuild(self) -> None:
        self.ledger.rebuild()

    @invariant()
    def every_clock_agrees(self) -> None:
        assert self.ledger.head().size == len(self.then) - 1
        for entries in {0, len(self.then) // 2, len(self.then) - 1}:
            results = {}
            for kind in ("party", "source", "subject", "claim", "link"):
                for stored in self.ledger.at(known_at=entries).records(kind):
                    fields = stored.record.as_json()
                    results[kind, fields.pop("key")] = fields
            assert results == self.then[entries]

    def teardown(self) -> None:
        assert self.ledger.verify().faults == ()
        self.ledger.close()
        shutil.rmtree(self.folder)
        drop_databases()


@pytest.mark.at_random
@pytest.mark.usefixtures("store")
def test_any_sequence_of_writes_agrees_with_the_model() -> None:
    steps = settings(trials(25), stateful_step_count=20)
    run_state_machine_as_test(LedgerMachine, settings=steps)
