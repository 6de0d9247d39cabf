"""Measures precision and recall of each rule on the pairs labelled by hand in ``fixtures/pairs``."""

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
from claimledger.services.propose import whole_context

PAIRS = Path(__file__).parent.parent / "fixtures" / "pairs" / "pairs.yaml"

LABELS = {
    "figures-agree": ("corroborates", "repeats"),
    "near-copy": ("repeats",),
    "recorded-twice": ("merge",),
    "newer-figure": ("updates",),
    "figures-conflict": ("contradicts",),
    "part-exceeds-whole": ("contradicts",),
}
"""The labels of the pairs that each rule is responsible for."""


@dataclass(frozen=True)
class Half:
    """Half of the labelled subject matters: those for tuning, or those for reporting."""

    matters: list[dict[str, Any]]

    @property
    def labels(self) -> dict[frozenset[str], str]:
        """The labels of the pairs that should be linked. A pair without one should not be."""
        return {
            frozenset((later, earlier)): label
            for matter in self.matters
            for later, earlier, label in matter["pairs"]
        }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of claims within a matter."""
        return [pair for matter in self.matters for pair in combinations(matter["claims"], 2)]


@dataclass(frozen=True)
class RuleScore:
    """How a rule did: the pairs it proposed, how many were right, and how many it should have proposed."""

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

    def as_text(self) -> str:
        precision, recall = (
            "-" if share is None else f"{share:.2f}" for share in (self.precision, self.recall)
        )
        return f"{self.rule:<20} asked {self.proposed:>3}  precision {precision}  recall {recall}"


def halves() -> tuple[Half, Half]:
    """Return the half for tuning and the half for reporting."""
    matters = yaml.safe_load(PAIRS.read_text("utf-8"))["matters"]
    middle = len(matters) // 2
    return Half(matters[:middle]), Half(matters[middle:])


def records() -> Iterator[dict[str, Any]]:
    """Yield the labelled claims as records, with the parties, sources and subjects they need.

    A claim cites its claimant's own page on the subject unless the file names another source.
    """
    document = yaml.load(PAIRS.read_text("utf-8"), Loader=yaml.BaseLoader)
    for key, party in document["parties"].items():
        yield {"kind": "party", "key": key, "name": f"The {key}", **party}
    for matter in document["matters"]:
        subject = matter["subject"]
        yield {"kind": "subject", "key": subject, "label": f"the {subject}"}
        for claimant in dict.fromkeys(claim["by"] for claim in matter["claims"].values()):
            yield {
                "kind": "source",
                "key": f"{subject}-{claimant}",
                "title": f"{claimant} on {subject}",
                "publisher": claimant,
            }
        for key, claim in matter["claims"].items():
            yield {
                "kind": "claim", "key": key, "statement": claim["says"], "claimant": claim["by"],
                "subject": subject, "asserted": claim["said"],
                "citations": {"source": claim.get("cites", f"{subject}-{claim['by']}")},
                **({"about": claim["about"]} if "about" in claim else {}),
                **({"figures": claim["figure"]} if "figure" in claim else {}),
            }  # fmt: skip


def build_context(folder: Path) -> RuleContext:
    """Record the labelled claims in a ledger in a folder, and return it for rules to look at."""
    with Ledger.create(folder / "pairs.db") as ledger:
        ledger.import_records(
            [RecordInput.of(record_from(record)) for record in records()], by="bench"
        )
        return whole_context(ledger)


def judge_pairs(
    context: RuleContext, pairs: list[tuple[str, str]]
) -> dict[frozenset[str], tuple[str, str]]:
    """Return for each pair the first rule that proposes something, and the label of what it proposes."""
    judged = {}
    order = {key: position for position, key in enumerate(context.live_claims)}
    for pair in pairs:
        first, later = sorted(pair, key=lambda key: order[key])
        for name, rule in RULES.items():
            proposal = rule.judge(context, first, later) if rule.judge else None
            if proposal is not None:
                judged[frozenset(pair)] = (name, proposal.type or proposal.makes)
                break
    return judged


def measure(context: RuleContext, half: Half) -> list[RuleScore]:
    """Return the score of each rule on one half of the pairs."""
    judged, labels = judge_pairs(context, half.pairs), half.labels
    proposed: Counter[str] = Counter()
    right: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    for pair, (rule, label) in judged.items():
        proposed[rule] += 1
        right[rule] += labels.get(pair) == label
    for pair, label in labels.items():
        # Some labels are the business of two rules. The rule that found the pair gets the credit; a pair
        # that was missed counts against the first of them.
        if pair in judged and judged[pair][1] == label:
            expected[judged[pair][0]] += 1
        else:
            expected[next(rule for rule, own in LABELS.items() if label in own)] += 1
    return [
        RuleScore(rule, proposed[rule], right[rule], expected[rule])
        for rule in LABELS
        if proposed[rule] or expected[rule]
    ]


def mistakes(context: RuleContext, half: Half) -> Iterator[str]:
    """Yield a line for each pair on which the rules and the label differ, as a help for tuning."""
    judged, labels = judge_pairs(context, half.pairs), half.labels
    for pair in sorted({*judged, *labels}, key=sorted):
        rule, proposed = judged.get(pair, ("no rule", "none"))
        label = labels.get(pair, "none")
        if proposed != label:
            yield f"{' '.join(sorted(pair))}: {rule} {proposed}, labelled {label}"


def main() -> None:
    """Print the scores on both halves, and the mistakes on the half for tuning."""
    with tempfile.TemporaryDirectory() as name:
        context = build_context(Path(name))
    for title, half in zip(("tuned on", "reported on"), halves(), strict=True):
        print(f"{title} {len(half.pairs)} pairs, {len(half.labels)} of them to be linked")
        for score in measure(context, half):
            print(f"  {score.as_text()}")
        if title == "tuned on":
            print(*("  wrong: " + line for line in mistakes(context, half)), sep="\n")


if __name__ == "__main__":
    main()
