"""Rules about parties and subjects that may have been recorded twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from rapidfuzz import fuzz

from claimledger.analysis.proposals.rule import Proposal, Rule, RuleContext
from claimledger.records.party import Party
from claimledger.records.subject import Subject
from claimledger.text.fold import words_of

Entities = Mapping[str, Party] | Mapping[str, Subject]

_NEAR = 93
"""How similar (of 100) two long names must be to be more likely one misspelled name than two names."""

_LONG = 8
"""The shortest names that are compared for misspellings: shorter ones are similar by chance."""

_MOST_IN_BLOCK = 200
"""The most names of a block that are compared, because all pairs of them are."""


def find_parties(context: RuleContext) -> Iterator[Proposal]:
    """Propose to merge parties that share a name, an alias or a Wikidata item, or have similar names."""
    yield from _duplicates(context, "party", context.parties)


def find_subjects(context: RuleContext) -> Iterator[Proposal]:
    """Propose to merge subjects that share a label, an alias or a Wikidata item, or have similar labels."""
    yield from _duplicates(context, "subject", context.subjects)


def _duplicates(context: RuleContext, kind: str, records: Entities) -> Iterator[Proposal]:
    seen: set[frozenset[str]] = set()
    order = {key: position for position, key in enumerate(records)}
    for left, right, reason, score in _similar_pairs(records):
        pair = frozenset((left, right))
        if (
            pair in seen
            or len(pair) < 2
            or not _concerns_change(context, pair)
            or _is_nested(records, left, right)
        ):
            continue
        seen.add(pair)
        # The newer record is withdrawn: references to it then lead to the older one.
        older, newer = sorted((left, right), key=lambda key: order[key])
        yield Proposal(
            rule=f"same-{kind}",
            makes="merge",
            kind=kind,
            one=newer,
            other=older,
            type="",
            asks=f"Are {{one}} and {{other}} the same {kind}?",
            evidence=(reason,),
            score=score,
            rests=context.evidence_digest(f"same-{kind}", kind, left, right),
        )


def _concerns_change(context: RuleContext, pair: frozenset[str]) -> bool:
    return context.changed_entities is None or not context.changed_entities.isdisjoint(pair)


def _is_nested(records: Entities, left: str, right: str) -> bool:
    """Whether one record is directly part of the other, so that they are certainly different."""
    for low, high in ((left, right), (right, left)):
        record = records[low]
        if (record.part_of if isinstance(record, Party) else record.broader) == high:
            return True
    return False


def _similar_pairs(records: Entities) -> Iterator[tuple[str, str, str, float]]:
    """Yield pairs of keys that may mean the same party or subject, each with the reason and a score."""
    by_item: dict[str, list[str]] = defaultdict(list)
    by_name: dict[str, list[str]] = defaultdict(list)
    by_initials: dict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        if record.wikidata:
            by_item[record.wikidata].append(key)
        main_name = record.name if isinstance(record, Party) else record.label
        for name in dict.fromkeys((main_name, *record.aliases)):
            words = words_of(name)
            if words:
                by_name[" ".join(words)].append(key)
            if len(words) > 2:
                by_initials["".join(word[0] for word in words)].append(key)
    for item, keys in by_item.items():
        yield from ((keys[0], key, f"both have the Wikidata item {item}", 0.98) for key in keys[1:])
    for name, keys in by_name.items():
        unique = list(dict.fromkeys(keys))
        yield from ((unique[0], key, f"both are called “{name}”", 0.9) for key in unique[1:])
    for initials, keys in by_initials.items():
        for abbreviated in by_name.get(initials, ()):
            for key in keys:
                yield key, abbreviated, f"“{initials}” has the initials of the other name", 0.55
    yield from _misspellings(by_name)


def _misspellings(by_name: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str, float]]:
    """Yield pairs with similar names, searched among names with the same start or the same end.

    A single misspelling leaves the first or the last four letters intact.
    """
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in by_name:
        if len(name) >= _LONG and not any(character.isdigit() for character in name):
            blocks["<" + name[:4]].append(name)
            blocks[">" + name[-4:]].append(name)
    for block in blocks.values():
        for position, left in enumerate(block[:_MOST_IN_BLOCK]):
            for right in block[position + 1 : _MOST_IN_BLOCK]:
                similarity = fuzz.ratio(left, right)
                if similarity >= _NEAR:
                    yield (
                        by_name[left][0],
                        by_name[right][0],
                        f"the names “{left}” and “{right}” are {similarity:.0f}% alike",
                        round(similarity / 150, 2),
                    )


PARTY = Rule("same-party", "two parties may be the same", find=find_parties)
SUBJECT = Rule("same-subject", "two subjects may be the same", find=find_subjects)
