"""Amending, withdrawing and merging records: what is allowed, what is refused and what remains readable."""

from __future__ import annotations

import pytest

from builders import analysis_of, case, record_all, status_line
from claimledger.errors import ConflictError, InvalidInputError, NotFoundError, RuleViolationError
from claimledger.ledger import Ledger, RecordInput
from claimledger.ledger.write import appender
from claimledger.records.check import record_from
from claimledger.records.keys import HIGHEST_NUMBER


def test_the_second_of_two_concurrent_amendments_is_refused_with_the_difference(
    ledger: Ledger,
) -> None:
    record_all(ledger, case(["a: one"]))
    version = ledger.get("claim", "a").entry
    ledger.amend("claim", "a", {"note": "first"}, by="Ann", reason="r")
    with pytest.raises(ConflictError) as refused:
        ledger.amend("claim", "a", {"note": "second"}, by="Bea", reason="r", replaces=version)
    assert ("note", None, "first") in refused.value.difference
    assert "Ann" in str(refused.value)
    assert ledger.get("claim", "a").record.note == "first"


def test_an_amendment_keeps_the_earlier_version_readable(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head().size
    ledger.amend(
        "claim", "a", {"statement": "a new statement", "note": "n"}, by="Ann", reason="a slip"
    )
    (first, second) = ledger.history("a", "claim")
    assert (second.recorded_by, second.reason) == ("Ann", "a slip")
    assert ("statement", "a says so", "a new statement") in second.changes
    assert ledger.at(known_at=before).get("claim", "a").record.named == "a says so"
    assert first.action == "record"


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_change_needs_a_reason(ledger: Ledger, reason: str) -> None:
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    party = {"kind": "party", "key": "one", "name": "One"}
    for change in (
        lambda: ledger.amend("claim", "a", {"note": "n"}, by="T", reason=reason),
        lambda: ledger.withdraw("claim", "a", by="T", reason=reason),
        lambda: ledger.import_records(
            [RecordInput.of(record_from(party))], by="T", amend=True, reason=reason
        ),
        lambda: ledger.import_records([RecordInput.of(record_from(party))], by="T", amend=True),
    ):
        with pytest.raises(RuleViolationError, match="needs a reason; nothing was written"):
            change()
    assert ledger.head() == before
    ledger.withdraw("claim", "a", by="T", reason="r")
    with pytest.raises(RuleViolationError, match="a redaction needs a reason"):
        ledger.redact("claim", "a", by="T", reason=reason)


def test_numbering_uses_the_lowest_free_number_once_the_highest_is_taken(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(name: str, key: str | None = None) -> list[str]:
        return record_all(ledger, [{"kind": "party", "key": key, "name": name}])

    highest = f"P{HIGHEST_NUMBER}"
    for name, key in (("last", highest), ("second", "P2")):
        add(name, key)
    assert [ledger.record(record_from({"kind": "party", "name": name}), by="T") for name in "abc"] == [
        ["P1"], ["P3"], ["P4"]
    ]  # fmt: skip
    parties = [record_from({"kind": "party", "name": name}) for name in ("d", "e")]
    assert ledger.record(*parties, by="T") == ["P5", "P6"]
    with pytest.raises(InvalidInputError, match="key"):
        add("beyond", f"P{HIGHEST_NUMBER + 1}")
    assert ledger.verify().faults == ()
    monkeypatch.setattr(appender, "HIGHEST_NUMBER", 6)
    with pytest.raises(RuleViolationError, match="every number of a party is in use"):
        ledger.record(record_from({"kind": "party", "name": "none left"}), by="T")


def test_recording_a_withdrawn_record_again_is_refused(ledger: Ledger) -> None:
    party = record_from({"kind": "party", "key": "mill", "name": "Mill"})
    ledger.record(party, by="T")
    assert ledger.record(party, by="T") == []
    ledger.withdraw("party", "mill", by="T", reason="r")
    with pytest.raises(InvalidInputError, match="was withdrawn, and its key cannot be used again"):
        ledger.record(party, by="T")
    # Importing a file again is allowed, and leaves the record withdrawn.
    result = ledger.import_records([RecordInput.of(party)], by="T")
    assert (result.written, result.unchanged, result.withdrawn) == ([], 0, [("party", "mill")])


def test_a_blank_statement_is_refused_by_record_import_and_amend(ledger: Ledger) -> None:
    (claim,) = (record for record in case(["a: one"]) if record["kind"] == "claim")
    record_all(ledger, case(["a: one"]))
    before = ledger.head()
    blank = record_from({**claim, "key": "b", "statement": " \u00a0\n"})
    for write in (
        lambda: ledger.record(blank, by="T"),
        lambda: ledger.import_records([RecordInput.of(blank)], by="T"),
        lambda: ledger.amend("claim", "a", {"statement": "  "}, by="T", reason="r"),
    ):
        with pytest.raises(
            InvalidInputError, match="statement: is blank; enter a text that names the record"
        ):
            write()
    assert ledger.head() == before


def test_the_ends_of_a_link_cannot_be_amended(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three"], ["a repeats b"]))
    with pytest.raises(RuleViolationError, match="withdraw l1 and record a new link"):
        ledger.amend("link", "l1", {"to": "c"}, by="T", reason="r")


def test_amending_is_checked_like_recording(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    for changes, hint in [
        ({"claimant": ["nobody"]}, "no party with this key"),
        ({"subject": "one"}, "is a party, not a subject"),
        ({"grounds": "hearsay"}, "is not one of the allowed values"),
        ({"statement": None}, "is missing"),
    ]:
        with pytest.raises(InvalidInputError, match=hint):
            ledger.amend("claim", "a", changes, by="T", reason="r")
    with pytest.raises(RuleViolationError, match="already has these values"):
        ledger.amend("claim", "a", {"statement": "a says so"}, by="T", reason="r")
    assert ledger.head().size == 4


def test_withdrawing_a_record_with_references_is_refused_and_names_them(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"], ["a repeats b"]))
    with pytest.raises(RuleViolationError, match=r"link l1 \(to\).*--replaced-by.*--cascade"):
        ledger.withdraw("claim", "b", by="T", reason="r")
    change = ledger.withdraw("claim", "b", by="T", reason="r", cascade=True)
    assert change.also == (("link", "l1"),)
    assert ledger.keys("claim") == ["a"]
    assert ledger.verify().faults == ()


def test_a_cascade_withdraws_direct_and_indirect_dependents(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"], ["a repeats b"]))
    ledger.withdraw("party", "one", by="T", reason="r", cascade=True)
    assert ledger.keys("claim") == ["b"]
    assert ledger.keys("link") == []
    assert ledger.verify().faults == ()


def test_a_cascade_larger_than_agreed_is_refused(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"], ["a repeats b"]))
    with pytest.raises(RuleViolationError, match="2 records would now be withdrawn, not 1"):
        ledger.withdraw("claim", "b", by="T", reason="r", cascade=True, limit=1)
    assert ledger.withdraw("claim", "b", by="T", reason="r", cascade=True, limit=2).also


def test_a_merged_record_resolves_by_both_keys(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two", "c: three"], ["c repeats a"]))
    ledger.withdraw("claim", "a", by="T", reason="duplicate", replaced_by="b")
    assert ledger.get("claim", "a").key == "b"
    assert status_line(analysis_of(ledger), "c").startswith("single-origin")
    assert [reference.key for reference in ledger.references_to("claim", ["b"])["b"]] == ["l1"]
    record_all(
        ledger, [{"kind": "link", "key": "late", "type": "supports", "from": "b", "to": "c"}]
    )
    with pytest.raises(RuleViolationError, match="was withdrawn"):
        ledger.withdraw("claim", "a", by="T", reason="r")


def test_merging_the_two_ends_of_a_link_is_refused(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"], ["a repeats b"]))
    with pytest.raises(InvalidInputError, match="withdraw the link first"):
        ledger.withdraw("claim", "a", by="T", reason="r", replaced_by="b")


def test_only_the_claimant_or_a_party_above_or_below_it_may_retract_or_update(
    ledger: Ledger,
) -> None:
    parties = {"desk": {"part_of": "paper"}, "paper": {}, "rival": {}}
    record_all(ledger, case(["a: desk", "b: paper", "c: rival"], ["b retracts a"], parties=parties))
    with pytest.raises(InvalidInputError, match="between different claimants, use `contradicts`"):
        record_all(ledger, [{"kind": "link", "type": "retracts", "from": "c", "to": "a"}])
    with pytest.raises(InvalidInputError, match="contradicts` or `answers"):
        record_all(ledger, [{"kind": "link", "type": "updates", "from": "c", "to": "a"}])


@pytest.mark.parametrize("kind", ["updates", "retracts"])
def test_a_cycle_of_revisions_is_refused(ledger: Ledger, kind: str) -> None:
    record_all(ledger, case(["a: one", "b: one", "c: one"], [f"a {kind} b", f"b {kind} c"]))
    with pytest.raises(InvalidInputError, match="would form a cycle"):
        record_all(ledger, [{"kind": "link", "type": kind, "from": "c", "to": "a"}])


def test_a_party_cannot_be_part_of_itself(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one", "b: two"], parties={"one": {"part_of": "two"}, "two": {}}))
    with pytest.raises(InvalidInputError, match="would be part of itself: two → one → two"):
        ledger.amend("party", "two", {"part_of": "one"}, by="T", reason="r")


def test_a_mistyped_key_gets_the_nearest_key_as_suggestion(ledger: Ledger) -> None:
    record_all(ledger, case(["safeguard-54: one"]))
    with pytest.raises(NotFoundError) as missing:
        ledger.get("claim", "safegaurd-54")
    assert missing.value.nearest == ("safeguard-54",)


def test_the_key_of_a_withdrawn_record_is_never_reused(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    ledger.withdraw("claim", "a", by="T", reason="r")
    claim = {"kind": "claim", "key": "a", "statement": "another", "claimant": "one", "subject": "topic",
             "citations": [{"source": "a-page"}]}  # fmt: skip
    with pytest.raises(InvalidInputError, match="its key cannot be used again"):
        ledger.import_records([RecordInput.of(record_from(claim))], by="T")


def test_numbered_keys_are_never_reused(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    claim = {"kind": "claim", "statement": "x", "claimant": "one", "subject": "topic",
             "citations": [{"source": "a-page"}]}  # fmt: skip
    assert ledger.record(record_from(claim), by="T") == ["C1"]
    assert ledger.record(record_from(claim), by="T") == []
    ledger.withdraw("claim", "C1", by="T", reason="r")
    assert ledger.record(record_from({**claim, "statement": "y"}), by="T") == ["C2"]
