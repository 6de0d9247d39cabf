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
    seen: set[frozenset[str]] = set()
    for left, right, why, score in _pairs(records):
        pair = frozenset((left, right))
        if (
            pair in seen
            or len(pair) < 2
            or not _fresh(matter, pair)
            or _nested(records, left, right)
        ):
            continue
        seen.add(pair)
        # The younger of the two goes: its references come to stand for the older.
        order = list(records)
        old, new = sorted((left, right), key=order.index)
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
            matter.evidence_digest(f"same-{kind}", kind, left, right),
        )


def _fresh(matter: RuleContext, pair: frozenset[str]) -> bool:
    return matter.fresh_others is None or not matter.fresh_others.isdisjoint(pair)


def _nested(records: Mapping[str, Party] | Mapping[str, Subject], left: str, right: str) -> bool:
    """Whether one is part of the other: then they are two."""
    for low, high in ((left, right), (right, left)):
        record = records[low]
        if (record.part_of if isinstance(record, Party) else record.broader) == high:
            return True
    return False


def _pairs(
    records: Mapping[str, Party] | Mapping[str, Subject],
) -> Iterator[tuple[str, str, str, float]]:
    items: dict[str, list[str]] = defaultdict(list)
    names: dict[str, list[str]] = defaultdict(list)
    initials: dict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        if record.wikidata:
            items[record.wikidata].append(key)
        own = record.name if isinstance(record, Party) else record.label
        for name in dict.fromkeys((own, *record.aliases)):
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
        for candidate in names.get(short, ()):
            for key in keys:
                yield key, candidate, f"{short} are the first letters of the other's name", 0.55
    yield from _slips(names)


def _slips(names: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str, float]]:
    """Yield names that differ by little, found among those that begin or end alike."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if len(name) >= _LONG and not any(sign.isdigit() for sign in name):
            blocks["<" + name[:4]].append(name)
            blocks[">" + name[-4:]].append(name)
    for block in blocks.values():
        for place, left in enumerate(block[:200]):
            for right in block[place + 1 : 200]:
                alike = fuzz.ratio(left, right)
                if alike >= _NEAR:
                    yield (
                        names[left][0],
                        names[right][0],
                        f"{left} and {right} are alike by {alike:.0f} %",
                        round(alike / 150, 2),
                    )


PARTY = Rule("same-party", "two parties that seem one", find=find_parties)
SUBJECT = Rule("same-subject", "two subjects that seem one", find=find_subjects)
