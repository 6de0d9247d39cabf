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
    """Two figures, how they stand to each other, and the sentence that says so."""

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

    def pairs(self, one: str, other: str, tolerance: Decimal = Decimal(0)) -> list[Comparison]:
        """Return every pair of figures that two claims hold."""
        claims = self._names.claim(one), self._names.claim(other)
        return self.of(one, claims[0], other, claims[1], tolerance)

    def of(
        self, one: str, here: Claim, other: str, there: Claim, tolerance: Decimal = Decimal(0)
    ) -> list[Comparison]:
        """Return every pair of figures that two claims hold, which were looked up before."""
        revision = self._renewed(one, other) or self._renewed(other, one)
        words = self._vocabulary
        return list(compare(here, there, revision=revision, tolerance=tolerance, vocabulary=words))

    def told(self, one: str, other: str, tolerance: Decimal = Decimal(0)) -> list[Pair]:
        """Return every pair of figures that two claims hold, in words."""
        return [
            Pair(
                phrases.figure(pair.one),
                phrases.figure(pair.other),
                pair.relation,
                pair.rests,
                phrases.comparison(one, other, pair),
            )
            for pair in self.pairs(one, other, tolerance)
        ]

    def sentence(self, one: str, other: str) -> str:
        """Return the most telling pair of two claims as a sentence; nothing without figures."""
        found = most_telling(self.pairs(one, other))
        return phrases.comparison(one, other, found) if found else ""

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
