"""Precision and recall of each rule on the pairs labelled by hand in ``fixtures/pairs``."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from claimledger.analysis.proposals.engine import RULES
from claimledger.analysis.proposals.rule import RuleContext
from claimledger.ledger import Ledger, RecordInput
from claimledger.records.check import record_from
from claimledger.services.propose import whole

PAIRS = Path(__file__).parent.parent / "fixtures" / "pairs" / "pairs.yaml"


@dataclass(frozen=True)
class Half:
    """The matters for tuning, or those for reporting."""

    matters: list[dict[str, Any]]

    @property
    def labels(self) -> dict[frozenset[str], str]:
        return {
            frozenset((part, right)): type for m in self.matters for part, right, type in m["pairs"]
        }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [pair for matter in self.matters for pair in combinations(matter["claims"], 2)]


@dataclass(frozen=True)
class Measured:
    """How a rule did: what it asked, what of that was right, what it should have asked."""

    rule: str
    proposed: int
    right: int
    expected: int

    @property
    def precision(self) -> float | None:
        return self.right / self.proposed if self.proposed else None

    @property
    def recall(self) -> float | None:
        return self.right / self.expected if self.expected else None


def halves() -> tuple[Half, Half]:
    value = yaml.safe_load(PAIRS.read_text("utf-8"))
    matters = value["matters"]
    middle = len(matters) // 2
    return Half(matters[:middle]), Half(matters[middle:])


def records() -> Iterator[dict[str, Any]]:
    """The labelled claims as records, each with a page of its claimant's unless it cites another."""
    value = yaml.load(PAIRS.read_text("utf-8"), Loader=yaml.BaseLoader)
    for key, party in value["parties"].items():
        yield {"kind": "party", "key": key, "name": f"The {key}", **party}
    for matter in value["matters"]:
        subject = matter["subject"]
        yield {"kind": "subject", "key": subject, "label": f"the {subject}"}
        for by in dict.fromkeys(claim["by"] for claim in matter["claims"].values()):
            yield {
                "kind": "source",
                "key": f"{subject}-{by}",
                "title": f"{by} on {subject}",
                "publisher": by,
            }
        for key, claim in matter["claims"].items():
            yield {
                "kind": "claim", "key": key, "statement": claim["says"], "claimant": claim["by"],
                "subject": subject, "asserted": claim["said"],
                "citations": {"source": claim.get("cites", f"{subject}-{claim['by']}")},
                **({"about": claim["about"]} if "about" in claim else {}),
                **({"figures": claim["figure"]} if "figure" in claim else {}),
            }  # fmt: skip


def matter_of(folder: Path) -> RuleContext:
    with Ledger.create(folder / "pairs.db") as ledger:
        ledger.import_records(
            [RecordInput.of(record_from(record)) for record in records()], by="bench"
        )
        return whole(ledger)


def asked(
    matter: RuleContext, pairs: list[tuple[str, str]]
) -> dict[frozenset[str], tuple[str, str]]:
    """For each pair the rule that asks first, and the link it would make."""
    results = {}
    order = {key: place for place, key in enumerate(matter.live_claims)}
    for pair in pairs:
        first, later = sorted(pair, key=lambda key: order[key])
        for name, rule in RULES.items():
            proposal = rule.judge(matter, first, later) if rule.judge else None
            if proposal is not None:
                results[frozenset(pair)] = (name, proposal.type or proposal.makes)
                break
    return results


MAKES = {
    "figures-agree": ("corroborates", "repeats"),
    "near-copy": ("repeats",),
    "recorded-twice": ("merge",),
    "newer-figure": ("updates",),
    "figures-conflict": ("contradicts",),
    "part-exceeds-whole": ("contradicts",),
}


def measure(matter: RuleContext, half: Half) -> list[Measured]:
    answers, labels = asked(matter, half.pairs), half.labels
    asked_by: Counter[str] = Counter()
    right_by: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    for pair, (rule, makes) in answers.items():
        asked_by[rule] += 1
        right_by[rule] += labels.get(pair) == makes
    for pair, label in labels.items():
        # A pair is looked for by the rule that found it, else by the one that should have.
        if pair in answers and answers[pair][1] == label:
            expected[answers[pair][0]] += 1
        else:
            expected[next(rule for rule, makes in MAKES.items() if label in makes)] += 1
    return [
        Measured(rule, asked_by[rule], right_by[rule], expected[rule])
        for rule in MAKES
        if asked_by[rule] or expected[rule]
    ]


def wrong(matter: RuleContext, half: Half) -> Iterator[str]:
    """What a rule asked and should not, or should and did not: to tune by."""
    answers, labels = asked(matter, half.pairs), half.labels
    for pair in sorted({*answers, *labels}, key=sorted):
        created = answers.get(pair, ("", "none"))
        if created[1] != labels.get(pair, "none"):
            label = labels.get(pair, "none")
            yield f"{' '.join(sorted(pair))}: {created[0] or 'no rule'} {created[1]}, labelled {label}"


def main() -> None:
    """Print both halves."""
    with tempfile.TemporaryDirectory() as name:
        matter = matter_of(Path(name))
    for title, half in zip(("tuned on", "reported on"), halves(), strict=True):
        print(f"{title} {len(half.pairs)} pairs, {len(half.labels)} of them to be linked")
        for measured in measure(matter, half):
            precision = "-" if measured.precision is None else f"{measured.precision:.2f}"
            recall = "-" if measured.recall is None else f"{measured.recall:.2f}"
            print(
                f"  {measured.rule:<20} asked {measured.proposed:>3}  precision {precision}  recall {recall}"
            )
        if title == "tuned on":
            print(*("  wrong: " + line for line in wrong(matter, half)), sep="\n")


if __name__ == "__main__":
    main()
