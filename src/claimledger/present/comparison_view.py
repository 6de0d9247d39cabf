"""Compares two claims figure by figure, with the same wording for every output."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claimledger.analysis.comparison import Comparison, compare, most_telling
from claimledger.analysis.graph import Graph
from claimledger.present import phrases
from claimledger.records.claim import Claim
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView


@dataclass(frozen=True, slots=True)
class Pair:
    """Two figures, their relation, and the sentence that states it."""

    one: str
    other: str
    relation: str
    rests: tuple[str, ...]
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return the pair as an object."""
        return {name: getattr(self, name) for name in Pair.__slots__}


class FigureComparisons:
    """Compares the claims of one view with the terms of its ledger."""

    def __init__(self, view: LedgerView, graph: Graph, names: RecordCache) -> None:
        self._graph = graph
        self._names = names
        self._vocabulary = view.vocabulary()

    def pairs(self, left: str, right: str, tolerance: Decimal = Decimal(0)) -> list[Comparison]:
        """Return a comparison for every pair of figures of two claims, by key."""
        claims = self._names.claim(left), self._names.claim(right)
        return self.of(left, claims[0], right, claims[1], tolerance)

    def of(
        self,
        left: str,
        claim: Claim,
        right: str,
        right_claim: Claim,
        tolerance: Decimal = Decimal(0),
    ) -> list[Comparison]:
        """Return a comparison for every pair of figures of two claims that were looked up before."""
        revision = self._is_updated_by(left, right) or self._is_updated_by(right, left)
        return list(
            compare(
                claim,
                right_claim,
                revision=revision,
                tolerance=tolerance,
                vocabulary=self._vocabulary,
            )
        )

    def compared(self, left: str, right: str, tolerance: Decimal = Decimal(0)) -> list[Pair]:
        """Return every pair of figures of two claims in words."""
        return [
            Pair(
                one=phrases.figure(pair.left),
                other=phrases.figure(pair.right),
                relation=pair.relation,
                rests=pair.reasons,
                sentence=phrases.comparison(left, right, pair),
            )
            for pair in self.pairs(left, right, tolerance)
        ]

    def sentence(self, left: str, right: str) -> str:
        """Return the most telling pair of figures as a sentence; empty if a claim has no figure."""
        comparison = most_telling(self.pairs(left, right))
        return phrases.comparison(left, right, comparison) if comparison else ""

    def _is_updated_by(self, old: str, new: str) -> bool:
        """Whether a claim updates another, directly or through others."""
        seen, stack = {new}, [new]
        while stack:
            for link in self._graph.from_("updates", stack.pop()):
                if link.to == old:
                    return True
                if link.to not in seen:
                    seen.add(link.to)
                    stack.append(link.to)
        return False
