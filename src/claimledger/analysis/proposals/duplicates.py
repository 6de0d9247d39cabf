"""Parties and subjects that seem one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from rapidfuzz import fuzz

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.party import Party
from claimledger.records.subject import Subject
from claimledger.text.fold import words_of

_NEAR = 93
"""How alike (of 100) two long names are from which on a slip of the pen is likelier than two things."""

_LONG = 8


def find_parties(matter: RuleContext) -> Iterator[Proposal]:
    """Ask about parties with one name, one alias, one Wikidata item, or nearly one name."""
    yield from _doubles(matter, "party", matter.parties)


def find_subjects(matter: RuleContext) -> Iterator[Proposal]:
    """Ask about subjects with one label, one alias, one Wikidata item, or nearly one label."""
    yield from _doubles(matter, "subject", matter.subjects)


def _doubles(
    matter: RuleContext, kind: str, records: Mapping[str, Party] | Mapping[str, Subject]
) -> Iterator[Proposal]:
    told: set[frozenset[str]] = set()
    for one, other, why, score in _pairs(records):
        pair = frozenset((one, other))
        if (
            pair in told
            or len(pair) < 2
            or not _fresh(matter, pair)
            or _nested(records, one, other)
        ):
            continue
        told.add(pair)
        # The younger of the two goes: its references come to stand for the older.
        order = list(records)
        old, new = sorted((one, other), key=order.index)
        yield Proposal(
            f"same-{kind}",
            "merge",
            kind,
            new,
            old,
            "",
            f"Are {{one}} and {{other}} one {kind}?",
            (why,),
            score,
            matter.evidence_digest(f"same-{kind}", kind, one, other),
        )


def _fresh(matter: RuleContext, pair: frozenset[str]) -> bool:
    return matter.fresh_others is None or not matter.fresh_others.isdisjoint(pair)


def _nested(records: Mapping[str, Party] | Mapping[str, Subject], one: str, other: str) -> bool:
    """Whether one is part of the other: then they are two."""
    for low, high in ((one, other), (other, one)):
        held = records[low]
        if (held.part_of if isinstance(held, Party) else held.broader) == high:
            return True
    return False


def _pairs(
    records: Mapping[str, Party] | Mapping[str, Subject],
) -> Iterator[tuple[str, str, str, float]]:
    items: dict[str, list[str]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    initials: dict[str, list[str]] = defaultdict(list)
    for key, held in records.items():
        if held.wikidata:
            items[held.wikidata].append(key)
        own = held.name if isinstance(held, Party) else held.label
        for name in dict.fromkeys((own, *held.aliases)):
            words = words_of(name)
            if words:
                names[" ".join(words)].append(key)
            if len(words) > 2:
                initials["".join(word[0] for word in words)].append(key)
    for item, keys in items.items():
        yield from ((keys[0], key, f"both are {item}", 0.98) for key in keys[1:])
    for name, keys in names.items():
        unique = list(dict.fromkeys(keys))
        yield from ((unique[0], key, f"both are called {name}", 0.9) for key in unique[1:])
    for short, keys in initials.items():
        for other in names.get(short, ()):
            for key in keys:
                yield key, other, f"{short} are the first letters of the other's name", 0.55
    yield from _slips(names)


def _slips(names: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str, float]]:
    """Yield names that differ by little, found among those that begin or end alike."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if len(name) >= _LONG and not any(sign.isdigit() for sign in name):
            blocks["<" + name[:4]].append(name)
            blocks[">" + name[-4:]].append(name)
    for block in blocks.values():
        for place, one in enumerate(block[:200]):
            for other in block[place + 1 : 200]:
                alike = fuzz.ratio(one, other)
                if alike >= _NEAR:
                    yield (
                        names[one][0],
                        names[other][0],
                        f"{one} and {other} are alike by {alike:.0f} %",
                        round(alike / 150, 2),
                    )


PARTY = Rule("same-party", "two parties that seem one", find=find_parties)
SUBJECT = Rule("same-subject", "two subjects that seem one", find=find_subjects)
