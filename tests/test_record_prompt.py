"""``record`` without options, at a terminal: what it asks, proposes and refuses, and what an interrupted one keeps.

Each test reads the ledger afterwards: nothing is written before the last question is answered with yes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backends import LedgerTemplate
from builders import case, record_all
from claimledger.ledger import Ledger, LedgerLocation
from terminal import OpenTerminal, Terminal

STATEMENT = "Statement"
FIGURES = "Figures"
CLAIMANT = "Who says so"
SUBJECT = "About what"
SOURCE = "In which source is it"
READ_THERE = "Did you read it there"
LOCATOR = "Where in it"
ASSERTED = "When did they say it"
ABOUT = "Which time is it about"
GROUNDS = "How do they know"
WRITE = "Write it, as Tester?"
CONTINUE = "Continue with it?"

MINIMAL = {
    STATEMENT: "Nobody counted the boats.",
    FIGURES: "-",
    CLAIMANT: "mayor",
    SUBJECT: "topic",
    SOURCE: "article",
    READ_THERE: "",
    LOCATOR: "",
    ASSERTED: "",
    ABOUT: "-",
    GROUNDS: "",
}
"""Every question with the shortest answer that it accepts, in the order in which they are asked."""

MINIMAL_CLAIM = {
    "statement": "Nobody counted the boats.",
    "claimant": ["mayor"],
    "subject": "topic",
    "citations": [{"source": "article"}],
}


def record_boats(ledger: Ledger) -> None:
    """Record two claims, and two parties that have their first letters in common."""
    records = case(["a: paper obs", "b: mayor @article"], ["b repeats a"])
    record_all(ledger, [*records, {"kind": "party", "key": "papyrus", "name": "Papyrus Guild"}])


BOATS = LedgerTemplate.filled(record_boats)


@pytest.fixture
def boats(tmp_path: Path) -> LedgerLocation:
    """Return a ledger in a file: the dialogue itself does not depend on the store."""
    return BOATS.copy(tmp_path)


@pytest.fixture
def boats_in_any_store(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LedgerLocation:
    """Return a ledger in each store: to write and to refuse depends on the store."""
    location = BOATS.copy(tmp_path)
    monkeypatch.setenv("CLAIMLEDGER_DB", str(location))
    return location


def contents(location: LedgerLocation) -> dict[str, Any]:
    """Return every record of a ledger by its kind and key, after checking the ledger against its log."""
    with Ledger.open(location) as ledger:
        assert ledger.verify().faults == ()
        return {
            f"{kind} {stored.key}": stored.record.as_json()
            for kind in ("claim", "party", "source", "subject", "link")
            for stored in ledger.records(kind)
        }


def added(location: LedgerLocation, before: dict[str, Any]) -> dict[str, Any]:
    """Return the records that a ledger has now and did not have ``before``, without their kind and key."""
    return {
        name: {field: value for field, value in record.items() if field not in ("kind", "key")}
        for name, record in contents(location).items()
        if name not in before
    }


def answer_until(screen: Terminal, question: str, **changed: str) -> None:
    """Give the shortest answers to all questions before ``question``.

    ``changed`` has other answers, by the first word of their questions.
    """
    for label, text in MINIMAL.items():
        if label == question:
            return
        screen.answer(label, changed.get(label.split()[0].lower(), text))


def drafts() -> list[Path]:
    """Return the files of unfinished claims."""
    return sorted((Path(os.environ["XDG_STATE_HOME"]) / "claimledger").glob("draft-*.json"))


def test_a_claim_can_be_recorded_with_few_keystrokes(
    boats_in_any_store: LedgerLocation, terminal: OpenTerminal
) -> None:
    boats = boats_in_any_store
    before = contents(boats)
    screen = terminal("record")
    screen.answer(STATEMENT, "In October 2022 there were some 60 stations.")
    screen.until("[stations=some 60]")
    screen.type("")
    screen.answer(CLAIMANT, "pape")
    screen.until("paper")
    screen.answer(SUBJECT, "")
    screen.answer(SOURCE, "a-p")
    screen.answer(READ_THERE, "")
    screen.answer(LOCATOR, "p. 4")
    screen.answer(ASSERTED, "12 Oct 2022")
    screen.until("read as 2022-10-12")
    screen.until("[2022-10]")
    screen.type("")
    screen.answer(GROUNDS, "obs")
    screen.until("This will be recorded")
    assert contents(boats) == before
    screen.answer(WRITE, "")
    screen.until("Recorded claim C1, as Tester.")
    assert screen.status() == 0
    assert added(boats, before) == {
        "claim C1": {
            "statement": "In October 2022 there were some 60 stations.",
            "claimant": ["paper"],
            "subject": "topic",
            "figures": [{"measure": "stations", "low": "60", "high": "60", "qualifier": "about"}],
            "about": "2022-10",
            "asserted": "2022-10-12",
            "grounds": "observed",
            "citations": [{"source": "a-page", "locator": "p. 4"}],
        }
    }
    assert drafts() == []


def test_every_optional_answer_can_be_left_out(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    screen.answer(STATEMENT, "")
    screen.until("A claim needs a statement.")
    answer_until(screen, WRITE)
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}


def test_similar_claims_are_shown_after_the_statement(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    screen = terminal("record")
    screen.answer(STATEMENT, "What b says so far.")
    shown = screen.until(FIGURES)
    assert "The most similar claims are:\n  b: b says so" in shown


def test_a_mistyped_date_is_explained_and_asked_again(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, ASSERTED)
    for typed, explanation in {
        "2022-13-05": "has no month 13; months are 01 to 12",
        "30 February 2022": "the month does not have this day",
        "1.2.2020": "can be read in two ways: 2020-02-01 (day first) or 2020-01-02",
        "the other day": "cannot be read as a date; name the month and a four-digit year",
    }.items():
        screen.answer(ASSERTED, typed)
        screen.until(explanation)
    screen.answer(ASSERTED, "early 2022")
    screen.until("read as 2022-01/2022-04")
    screen.answer(ABOUT, "20222")
    screen.until("cannot be read as a date")
    screen.answer(ABOUT, "2021")
    screen.answer(GROUNDS, "")
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before)["claim C1"] == {
        **MINIMAL_CLAIM,
        "asserted": "2022-01/2022-04",
        "about": "2021",
    }


def test_a_mistyped_figure_is_explained_and_asked_again(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    screen.answer(STATEMENT, "Nobody counted the boats.")
    for typed, explanation in {
        "boats": 'is not measure=value (found: "boats")',
        "=5": 'is not measure=value (found: "=5")',
        "boats=5; nets=a lot": "(a lot) that is not understood as a number",
        "boats=9-5": "9",
    }.items():
        screen.answer(FIGURES, typed)
        screen.until(explanation)
    screen.answer(FIGURES, "boats=over 50; nets=3-4;")
    screen.answer(CLAIMANT, "mayor")
    screen.until(SUBJECT)
    screen.interrupt()
    assert screen.status() == 1
    assert contents(boats) == before
    screen = terminal("record")
    screen.answer(CONTINUE, "")
    for question in list(MINIMAL)[3:]:
        screen.answer(question, MINIMAL[question])
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    figures = added(boats, before)["claim C1"]["figures"]
    assert [(figure["measure"], figure["low"]) for figure in figures] == [
        ("boats", "50"),
        ("nets", "3"),
    ]


def test_proposals_from_the_statement_can_be_rejected(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    screen.answer(STATEMENT, "By 2020 some 60 boats had left.")
    screen.until("[boats=some 60]")
    screen.type("-")
    for question in list(MINIMAL)[2:8]:
        screen.answer(question, MINIMAL[question])
    screen.until("[2020]")
    screen.type("-")
    screen.answer(GROUNDS, "")
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before)["claim C1"] == {
        **MINIMAL_CLAIM,
        "statement": "By 2020 some 60 boats had left.",
    }


def test_a_key_that_matches_nothing_is_asked_again_and_adds_nothing(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, CLAIMANT)
    screen.answer(CLAIMANT, "sheriff")
    screen.answer("No party matches 'sheriff'. Add it?", "")
    screen.answer(CLAIMANT, "mayor")
    screen.answer(SUBJECT, "topic")
    screen.answer(SOURCE, "gazette")
    screen.answer("No source matches 'gazette'. Add it?", "n")
    for question in list(MINIMAL)[4:]:
        screen.answer(question, MINIMAL[question])
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}


def test_the_answer_no_leads_to_where_it_was_read_and_an_empty_answer_leads_back(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, READ_THERE)
    screen.answer(READ_THERE, "n")
    screen.answer("In which source did you read it", "")
    screen.answer(READ_THERE, "no")
    screen.answer("In which source did you read it", "a-page")
    screen.answer(LOCATOR, "")
    screen.answer(ASSERTED, "")
    screen.answer(ABOUT, "-")
    # How the claimant knows is not asked: nobody has read their own words.
    screen.answer(WRITE, "y")
    screen.until("Recorded claim C1")
    assert added(boats, before)["claim C1"]["citations"] == [
        {"source": "article", "via": ["a-page"]}
    ]


def test_letters_that_match_several_records_offer_a_choice(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, CLAIMANT)
    screen.answer(CLAIMANT, "pap")
    screen.until("1  paper: paper\n  2  papyrus: Papyrus Guild\n")
    screen.answer("Which one", "3")
    screen.until("3 is not in the range")
    screen.answer("Which one", "0")
    screen.answer(CLAIMANT, "pap")
    screen.answer("Which one", "2")
    for question in list(MINIMAL)[3:]:
        screen.answer(question, MINIMAL[question])
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before)["claim C1"]["claimant"] == ["papyrus"]


def test_a_word_outside_the_vocabulary_is_asked_again_with_the_words_that_are_in_it(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, GROUNDS)
    screen.answer(GROUNDS, "hearsay")
    screen.until(GROUNDS)
    words = screen.until("empty if nobody has asked")
    assert "observed, documents, testimony, analysis, own-act, unstated" in words
    screen.until(": ")
    screen.type("documnts")
    screen.until("claim grounds: documents")
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before)["claim C1"]["grounds"] == "documents"


def test_a_claimant_and_a_source_can_be_added_on_the_way(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, CLAIMANT)
    screen.answer(CLAIMANT, "+ Evening Post")
    screen.until("New party evening-post: Evening Post")
    screen.answer(SUBJECT, "topic")
    screen.answer(SOURCE, "gazette")
    screen.answer("No source matches 'gazette'. Add it?", "y")
    screen.until("New source gazette: gazette")
    screen.answer(READ_THERE, "+")
    screen.answer("Name of the new source", "The archive")
    screen.until("New source the-archive: The archive")
    for question in (LOCATOR, ASSERTED):
        screen.answer(question, "")
    screen.answer(ABOUT, "-")
    # Nobody has read the source itself, so nobody can know its grounds: they are not asked.
    assert GROUNDS not in screen.until("This will be recorded")
    assert contents(boats) == before
    screen.answer(WRITE, "y")
    screen.until("Recorded claim C1")
    assert screen.status() == 0
    assert added(boats, before) == {
        "party evening-post": {"name": "Evening Post"},
        "source gazette": {"title": "gazette"},
        "source the-archive": {"title": "The archive"},
        "claim C1": {
            **MINIMAL_CLAIM,
            "claimant": ["evening-post"],
            "citations": [{"source": "gazette", "via": ["the-archive"]}],
        },
    }


def test_a_new_record_gets_no_key_that_is_in_use_or_invalid(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, CLAIMANT)
    screen.answer(CLAIMANT, "+ Mayor")
    screen.answer("Key (", "paper")
    screen.answer("paper is in use", "")
    screen.answer(CLAIMANT, "+ 市長")
    screen.answer("Key (", "The Mayor")
    screen.until("is not a key")
    screen.answer(CLAIMANT, "+ 市長")
    screen.answer("Key (", "shicho")
    screen.until("New party shicho: 市長")
    screen.answer(SUBJECT, "topic")
    for question in list(MINIMAL)[4:]:
        screen.answer(question, MINIMAL[question])
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {
        "party shicho": {"name": "市長"},
        "claim C1": {**MINIMAL_CLAIM, "claimant": ["shicho"]},
    }


ENDINGS = [
    *(("Ctrl-C", question) for question in [*list(MINIMAL)[1:], WRITE]),
    *(("Ctrl-D", question) for question in (FIGURES, LOCATOR, WRITE)),
    *(("a closed window", question) for question in (FIGURES, ABOUT, WRITE)),
]
"""Ways in which a dialogue ends early, with the question at which it does."""


@pytest.mark.parametrize(("ending", "question"), ENDINGS)
def test_an_unfinished_claim_continues_at_the_question_where_it_ended(
    ending: str, question: str, boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, question)
    screen.until(question)
    screen.until(": ")
    if ending == "a closed window":
        screen.hang_up()
        assert screen.status() < 0  # the signal of a closed terminal ends it
    else:
        screen.interrupt() if ending == "Ctrl-C" else screen.end_input()
        screen.until("nothing was written. `claimledger record` continues with this claim.")
        assert screen.status() == 1
    assert contents(boats) == before
    screen = terminal("record")
    screen.until("There is an unfinished claim: Nobody counted the boats.")
    screen.answer(CONTINUE, "")
    # The questions about the citation are one answer: it is asked again from its beginning.
    first = SOURCE if question in (READ_THERE, LOCATOR) else question
    remaining = list(MINIMAL)[list(MINIMAL).index(first) :] if first in MINIMAL else []
    for later in remaining:
        assert STATEMENT not in screen.answer(later, MINIMAL[later])
    assert screen.answer(WRITE, "").count("claim statement:") == 1
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}
    assert drafts() == []


def test_before_the_first_answer_there_is_nothing_to_continue(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    screen.until(STATEMENT)
    screen.end_input()
    screen.until("Stopped; nothing was written.")
    assert screen.status() == 1
    assert "continues" not in screen.shown
    assert drafts() == []
    screen = terminal("record")
    assert CONTINUE not in screen.until(STATEMENT)
    assert contents(boats) == before


def test_an_unfinished_claim_can_be_abandoned(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    screen.answer(STATEMENT, "Something else.")
    screen.until(FIGURES)
    screen.end_input()
    assert screen.status() == 1
    screen = terminal("record")
    screen.answer(CONTINUE, "n")
    answer_until(screen, WRITE)
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}


def test_the_answer_no_at_the_end_writes_nothing_and_keeps_the_claim(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, WRITE)
    screen.answer(WRITE, "perhaps")
    screen.until("invalid input")
    screen.answer(WRITE, "n")
    screen.until("nothing was written")
    assert screen.status() == 1
    assert contents(boats) == before
    screen = terminal("record")
    screen.answer(CONTINUE, "y")
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}


def test_a_refused_claim_is_kept_and_its_refused_answer_asked_again(
    boats_in_any_store: LedgerLocation, terminal: OpenTerminal
) -> None:
    """Somebody withdraws the source while the last question waits."""
    boats = boats_in_any_store
    with Ledger.open(boats, writable=True) as ledger:
        record_all(ledger, [{"kind": "source", "key": "memo", "title": "A memo"}])
    screen = terminal("record")
    answer_until(screen, WRITE, **{"in": "memo"})
    screen.until(WRITE)
    with Ledger.open(boats, writable=True) as ledger:
        ledger.withdraw("source", "memo", by="Tester", reason="a forgery")
    before = contents(boats)
    screen.type("y")
    screen.until("the source memo was withdrawn")
    screen.until("nothing was written")
    assert screen.status() == 1
    assert contents(boats) == before
    screen = terminal("record")
    screen.answer(CONTINUE, "")
    screen.answer(SOURCE, "article")
    screen.answer(READ_THERE, "")
    screen.answer(LOCATOR, "")
    screen.answer(WRITE, "y")
    assert screen.status() == 0
    assert added(boats, before) == {"claim C1": MINIMAL_CLAIM}


def test_the_next_claim_proposes_the_claimant_subject_and_source_of_the_last(
    boats: LedgerLocation, terminal: OpenTerminal
) -> None:
    before = contents(boats)
    screen = terminal("record")
    answer_until(screen, WRITE, who="papyrus", **{"in": "a-page"})
    screen.answer(WRITE, "y")
    screen.until("Recorded claim C1")
    assert screen.status() == 0
    screen = terminal("record")
    screen.answer(STATEMENT, "Nobody counted the nets.")
    screen.answer(FIGURES, "-")
    for question, proposed in {CLAIMANT: "papyrus", SUBJECT: "topic", SOURCE: "a-page"}.items():
        screen.until(question)
        screen.until(f"[{proposed}]: ")
        screen.type("")
    for question in list(MINIMAL)[5:]:
        screen.answer(question, MINIMAL[question])
    screen.answer(WRITE, "y")
    screen.until("Recorded claim C2")
    assert screen.status() == 0
    shared = {**MINIMAL_CLAIM, "claimant": ["papyrus"], "citations": [{"source": "a-page"}]}
    assert added(boats, before) == {
        "claim C1": shared,
        "claim C2": {**shared, "statement": "Nobody counted the nets."},
    }


def test_a_claim_that_somebody_else_records_meanwhile_is_not_recorded_twice(
    boats_in_any_store: LedgerLocation, terminal: OpenTerminal
) -> None:
    boats = boats_in_any_store
    screen = terminal("record")
    answer_until(screen, WRITE)
    screen.until(WRITE)
    with Ledger.open(boats, writable=True) as ledger:
        record_all(ledger, [{"kind": "claim", **MINIMAL_CLAIM}])
    before = contents(boats)
    screen.type("y")
    screen.until("The ledger already contains this claim.")
    assert screen.status() == 0
    assert contents(boats) == before
