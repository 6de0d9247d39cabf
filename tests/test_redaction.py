"""Redaction removes a text from every byte of the store and leaves all proofs of the rest valid."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest

from backends import bytes_on_disk, planner_statistics
from builders import case, record_all
from claimledger.errors import InvalidInputError, RuleViolationError
from claimledger.ledger import Ledger, LedgerLocation, RecordInput
from claimledger.records.check import record_from

SECRET = "zebrafish witness lives at Quokka Lane seventeen"
WORDS = ["zebrafish", "quokka", "Quokka", "seventeen"]


@pytest.fixture
def redacted(path: LedgerLocation, ledger: Ledger) -> LedgerLocation:
    """Return the location of a ledger in which a claim was amended, withdrawn and redacted."""
    records = case(
        ["a: one", "b: two"], extra={"a": {"statement": SECRET, "note": f"again {SECRET}"}}
    )
    record_all(ledger, records)
    for number in range(60):  # enough for segments in the index and freed pages
        record_all(
            ledger,
            [{**records[-1], "key": f"more-{number}", "statement": f"filler {number} " * 30}],
        )
    ledger.amend("claim", "a", {"note": f"still {SECRET}"}, by="T", reason="r")
    assert any(word.encode() in bytes_on_disk(path) for word in WORDS)
    ledger.withdraw("claim", "a", by="T", reason="requested")
    before = ledger.head()
    change = ledger.redact("claim", "a", by="T", reason="right to be forgotten")
    assert change.elsewhere == ()
    assert ledger.at(known_at=before.size).head().root == before.root
    ledger.close()
    return path


def test_no_byte_of_the_store_contains_the_text(redacted: LedgerLocation) -> None:
    content = bytes_on_disk(redacted)
    assert not [word for word in WORDS if word.encode() in content]


def test_no_companion_file_or_statistic_contains_the_text(
    redacted: LedgerLocation, store: str
) -> None:
    if store == "file":
        assert [file.name for file in Path(redacted).parent.glob("ledger.db*")] == ["ledger.db"]
    else:  # docs/scale.md covers the write-ahead log of the server
        assert not [word for word in WORDS if word.encode() in planner_statistics()]


def test_after_a_redaction_verify_is_clean_and_other_records_can_be_read(
    redacted: LedgerLocation,
) -> None:
    with Ledger.open(redacted) as ledger:
        assert ledger.verify().faults == ()
        assert [stored.key for stored in ledger.with_key("b")] == ["b"]
        assert not ledger.search("zebrafish")
        assert not ledger.at(known_at=10).with_key("a")
        actions = [entry.action for entry in ledger.history("a")]
    assert actions == ["redacted", "redacted", "redacted", "redact"]


def test_a_redacted_key_cannot_be_used_again(redacted: LedgerLocation) -> None:
    record = {"kind": "claim", "key": "a", "statement": "x", "claimant": "one", "subject": "topic",
             "citations": [{"source": "a-page"}]}  # fmt: skip
    with (
        Ledger.open(redacted, writable=True) as ledger,
        pytest.raises(InvalidInputError, match="was redacted"),
    ):
        ledger.import_records([RecordInput.of(record_from(record))], by="T")


def test_rebuilding_after_a_redaction_gives_the_same_views(redacted: LedgerLocation) -> None:
    with Ledger.open(redacted, writable=True) as ledger:
        ledger.rebuild()
        assert ledger.verify().faults == ()


def test_only_a_withdrawn_record_can_be_redacted(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"]))
    with pytest.raises(RuleViolationError, match="withdraw it first"):
        ledger.redact("claim", "a", by="T", reason="r")


@pytest.mark.parametrize("length", [35, 4_000, 5_000, 50_000])
def test_other_records_with_the_same_text_are_reported(length: int, ledger: Ledger) -> None:
    """Copies are found even if they continue on the next page of the file or span several pages."""
    text = ("the very same words stand elsewhere " * length)[:length].strip()
    statements = {"b": f"{'before ' * 570}{text}", "c": f"They wrote: {text}"}
    record_all(
        ledger,
        case(
            ["a: one", *(f"{key}: two" for key in statements)],
            extra={
                "a": {"statement": text},
                **{key: {"statement": value} for key, value in statements.items()},
            },
        ),
    )
    ledger.withdraw("claim", "a", by="T", reason="r")
    change = ledger.redact("claim", "a", by="T", reason="r")
    assert change.elsewhere == (text,)
    assert change.holders == ((("claim", "b"), ("claim", "c")),)


@pytest.mark.parametrize("name", ["030-1234567", "annamueller", "2022-10-12"])
def test_a_text_that_looks_like_a_key_is_searched_for_too(name: str, ledger: Ledger) -> None:
    record_all(
        ledger,
        [{"kind": "party", "key": "mill", "name": name}, {"kind": "party", "name": f"by {name}"}],
    )
    ledger.withdraw("party", "mill", by="T", reason="r")
    with pytest.raises(RuleViolationError, match="repeats a text that is to be destroyed"):
        ledger.redact("party", "mill", by="T", reason=f"{name} asked for it")
    change = ledger.redact("party", "mill", by="T", reason="r")
    assert (change.elsewhere, change.holders) == ((name,), ((("party", "P1"),),))


def test_no_piece_of_a_long_text_is_left_in_the_store(ledger: Ledger, path: LedgerLocation) -> None:
    rng = random.Random(7)  # random text, because a server compresses repetitions
    text = " ".join("".join(rng.choices(ascii_letters, k=12)) for _ in range(3_000))
    record_all(ledger, case(["a: one", "b: two"], extra={"a": {"statement": text}}))
    pieces = [text[start : start + 500].encode() for start in range(0, len(text) - 500, 500)]
    assert any(piece in bytes_on_disk(path) for piece in pieces)
    ledger.withdraw("claim", "a", by="T", reason="r")
    assert ledger.redact("claim", "a", by="T", reason="r").elsewhere == ()
    content = bytes_on_disk(path)
    assert [piece for piece in pieces if piece in content] == []


def test_a_redacted_key_is_reported_as_such_or_leads_to_its_replacement(
    ledger: Ledger, path: LedgerLocation, call: Callable[..., Any]
) -> None:
    record_all(
        ledger, [{"kind": "party", "key": key, "name": key} for key in ("new", "old", "gone")]
    )
    ledger.withdraw("party", "old", by="T", reason="r", replaced_by="new")
    ledger.withdraw("party", "gone", by="T", reason="r")
    for key in ("old", "gone"):
        ledger.redact("party", key, by="T", reason="r")
    ledger.close()
    assert "new" in call("--ledger", path, "show", "old").stdout
    result = call("--ledger", path, "show", "gone")
    assert (result.returncode, "the party 'gone' was redacted; " in result.stderr) == (1, True)


def test_a_reason_that_repeats_the_destroyed_text_is_refused(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"], extra={"a": {"statement": "Zoe lives at 5 Hill Road"}}))
    ledger.withdraw("claim", "a", by="T", reason="requested")
    before = ledger.head()
    with pytest.raises(
        RuleViolationError, match=r"repeats a text that is to be destroyed .'Zoe lives"
    ):
        ledger.redact("claim", "a", by="T", reason='It said "Zoe lives at 5 Hill Road".')
    assert ledger.head() == before
    assert ledger.redact("claim", "a", by="T", reason="their right").elsewhere == ()


@pytest.mark.parametrize("text", ["Jane Q. Private", "JANE Q PRIVATE", "jáne q: private’s"])
def test_repetitions_are_found_despite_case_accents_and_punctuation(
    text: str, ledger: Ledger
) -> None:
    """This applies to the reason and to other records, even in a field that is not searchable."""
    record_all(
        ledger,
        case(
            ["a: one", "b: two"],
            extra={
                "a": {"statement": "Jane Q. Private"},
                "b": {"citations": [{"source": "b-page", "locator": f"by {text}, p. 2"}]},
            },
        ),
    )
    ledger.withdraw("claim", "a", by="T", reason="r")
    with pytest.raises(RuleViolationError, match="repeats a text that is to be destroyed"):
        ledger.redact("claim", "a", by="T", reason=f"so asked ({text})")
    change = ledger.redact("claim", "a", by="T", reason="her right")
    assert (change.elsewhere, change.holders) == (("Jane Q. Private",), ((("claim", "b"),),))


def test_a_reason_with_a_longer_word_is_not_a_repetition(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one"], extra={"a": {"statement": "Jane Q. Private"}}))
    ledger.withdraw("claim", "a", by="T", reason="r")
    assert ledger.redact("claim", "a", by="T", reason="for jane q privateer").emptied


def test_remaining_copies_are_printed_with_the_next_step(
    ledger: Ledger, path: LedgerLocation, call: Callable[..., Any]
) -> None:
    record_all(
        ledger, case(["a: one", "b: two"], extra={key: {"note": "5 Hill Road"} for key in "ab"})
    )
    ledger.withdraw("claim", "a", by="T", reason="r")
    ledger.close()
    output = call("--ledger", path, "redact", "a", "--reason", "r").stdout
    assert 'A text is still in the claim "b": 5 Hill Road' in output
    assert "withdraw and redact them" in " ".join(output.split())


def test_a_redacted_key_still_resolves_to_its_replacement(ledger: Ledger) -> None:
    record_all(ledger, case(["a: one obs", "b: two", "c: three"], ["c repeats a"]))
    ledger.withdraw("claim", "a", by="T", reason="double", replaced_by="b")
    ledger.redact("claim", "a", by="T", reason="r")
    assert ledger.get("claim", "a").key == "b"
    assert ledger.verify().faults == ()
    ledger.rebuild()
    assert ledger.get("claim", "a").key == "b"
