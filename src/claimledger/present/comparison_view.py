"""Two claims compared, figure by figure: the same words in every answer."""

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
    """Compares claims of one ledger by its terms."""

    def __init__(self, view: LedgerView, graph: Graph, names: RecordCache) -> None:
        self._graph = graph
        self._names = names
        self._vocabulary = view.vocabulary()

    def pairs(self, left: str, right: str, tolerance: Decimal = Decimal(0)) -> list[Comparison]:
        """Return every pair of figures that two claims hold."""
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
        """Return every pair of figures that two claims hold, which were looked up before."""
        revision = self._renewed(left, right) or self._renewed(right, left)
        words = self._vocabulary
        return list(
            compare(claim, right_claim, revision=revision, tolerance=tolerance, vocabulary=words)
        )

    def compared(self, left: str, right: str, tolerance: Decimal = Decimal(0)) -> list[Pair]:
        """Return every pair of figures that two claims hold, in words."""
        return [
            Pair(
                phrases.figure(pair.left),
                phrases.figure(pair.right),
                pair.relation,
                pair.reasons,
                phrases.comparison(left, right, pair),
            )
            for pair in self.pairs(left, right, tolerance)
        ]

    def sentence(self, left: str, right: str) -> str:
        """Return the most telling pair of two claims as a sentence; nothing without figures."""
        comparison = most_telling(self.pairs(left, right))
        return phrases.comparison(left, right, comparison) if comparison else ""

    def _renewed(self, old: str, new: str) -> bool:
        """Whether one claim updates the other, at once or over others between."""
        seen, stack = {new}, [new]
        while stack:
            for link in self._graph.from_("updates", stack.pop()):
                if link.to == old:
                    return True
                if link.to not in seen:
                    seen.add(link.to)
                    stack.append(link.to)
        return False
