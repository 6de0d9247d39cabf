"""Records: which fields and values each kind accepts, and the message for every one that it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claimledger.errors import InvalidInputError
from claimledger.records.check import record_from
from claimledger.records.kinds import KINDS, fields_of
from claimledger.records.link import RELATIONS, Family
from claimledger.records.schema import schema_of
from claimledger.text.unicode import same, visible

CLAIM: dict[str, Any] = {
    "kind": "claim", "key": "rfa-54", "statement": "54 stations", "claimant": "rfa",
    "subject": "stations", "citations": [{"source": "page"}],
}  # fmt: skip


def problems(fields: dict[str, Any]) -> str:
    """Return the message with which a record is refused."""
    with pytest.raises(InvalidInputError) as raised:
        record_from(fields)
    return str(raised.value)


def test_a_single_value_is_accepted_for_a_list() -> None:
    claim = record_from({**CLAIM, "citations": {"source": "page", "via": "article"}})
    assert claim.as_json()["claimant"] == ["rfa"]
    assert claim.as_json()["citations"] == [{"source": "page", "via": ["article"]}]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"kind": "clam"}, "did you mean claim?"),
        ({"kind": None}, "names no kind"),
        ({"statemnt": "x"}, "did you mean statement?"),
        ({"claimant": None}, "must be a list"),
        ({"claimant": []}, "must have at least one value"),
        ({"statement": ""}, "is empty"),
        ({"statement": "a\x00b"}, "NUL"),
        ({"statement": "a\ud800b"}, "surrogate"),
        ({"grounds": "observd"}, "did you mean observed?"),
        ({"asserted": "03/04/2022"}, "two ways"),
        ({"subject": "Overseas Stations"}, "'overseas-stations' would be one"),
        ({"key": "S12"}, "begins with C"),
        ({"citations": []}, "must have at least one value"),
        (
            {"citations": [{"source": "page", "via": ["a"]}], "grounds": "unstated"},
            "every citation has a",
        ),
        ({"scope": {"Place": "NLD"}}, "names are a-z"),
        ({"language": "Dutch!"}, "BCP 47"),
    ],
)
def test_a_message_names_the_problem_and_a_correction(change: dict[str, Any], hint: str) -> None:
    assert hint in problems({**CLAIM, **change})


def test_a_message_names_every_problem_of_a_record() -> None:
    output = problems({**CLAIM, "asserted": "soon", "grounds": "hearsay", "colour": "red"})
    assert all(word in output for word in ("asserted", "grounds", "colour"))


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", "a\x1bb", " a", "a\u2066b", "", "a\x85"])
def test_names_refuse_characters_that_make_two_names_look_alike(name: str) -> None:
    assert "name" in problems({"kind": "party", "name": name})


def test_statements_keep_control_characters_and_display_them_escaped() -> None:
    statement = "left \u202eright\x1b[31m\nnew"
    claim = record_from({**CLAIM, "statement": statement})
    assert claim.as_json()["statement"] == statement
    assert visible(statement) == "left \\u202eright\\x1b[31m\\nnew"


def test_texts_compare_in_nfc() -> None:
    assert same("Café", "Cafe\u0301")
    assert not same("Café", "Cafe")


@pytest.mark.parametrize(
    ("link", "hint"),
    [
        ({"type": "contradicts", "from": "a", "to": {"source": "s"}}, "only undercuts may"),
        ({"type": "repeats", "from": "a", "to": "a"}, "to itself"),
        ({"type": "rebuts", "from": "a", "to": "b"}, "is not one of the allowed values"),
        ({"type": "repeats", "from": "a", "to": {"party": "b"}}, "is not a valid target"),
        ({"type": "repeats", "from": "a"}, "is missing"),
    ],
)
def test_an_impossible_link_is_refused(link: dict[str, Any], hint: str) -> None:
    assert hint in problems({"kind": "link", **link})


def test_every_link_type_has_a_family_and_a_standard_term() -> None:
    assert len(RELATIONS) == 9
    assert {relation.family for relation in RELATIONS.values()} == set(Family)
    assert all(relation.standards for relation in RELATIONS.values())


def test_every_kind_has_its_own_letter() -> None:
    letters = {record.letter for record in KINDS.values()}
    assert letters == set("PSTVCKLRDO")


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_field_is_described_and_in_the_schema(kind: str) -> None:
    schema = schema_of(kind)
    for field in fields_of(KINDS[kind]):
        assert field.description, field.name
        assert field.name in schema["properties"]
    assert schema["properties"]["kind"] == {"const": kind}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
names = st.sampled_from([field.name for kind in KINDS.values() for field in fields_of(kind)])


@given(st.sampled_from(list(KINDS)), st.dictionaries(names, json_values, max_size=6))
def test_any_object_is_a_valid_record_or_an_invalid_input(
    kind: str, fields: dict[str, Any]
) -> None:
    try:
        record = record_from({"kind": kind, **fields})
    except InvalidInputError:
        return  # no other exception may be raised; the tests above check the messages
    copy = record_from({"kind": kind, **record.as_json()})
    assert copy == record
