"""The vocabulary of a ledger's terms: which names mean the same, and which are part of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from claimledger.records.term import Term
from claimledger.text.unicode import nfc

MEASURE = "measure"
"""The scheme of the names of measures; every other scheme is the name of a scope."""


@dataclass(frozen=True)
class Vocabulary:
    """Names of measures and scopes, resolved to the concepts they mean."""

    concepts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """From scheme and name to the key of the term."""

    broader: Mapping[str, str] = field(default_factory=dict)
    """From the key of a term to the key of the term it is part of."""

    @classmethod
    def of(
        cls, terms: Iterable[Term], replaced: Mapping[str, str] = MappingProxyType({})
    ) -> Vocabulary:
        """Return the vocabulary of some terms. A name that several terms have means the first of them.

        ``replaced`` maps the keys of replaced terms to the keys that they resolve to.
        """
        concepts: dict[tuple[str, str], str] = {}
        broader: dict[str, str] = {}
        for term in terms:
            key = term.key or ""
            for name in (term.label, *term.aliases):
                concepts.setdefault((term.of, nfc(name)), key)
            if term.broader:
                broader[key] = replaced.get(term.broader, term.broader)
        return cls(concepts, broader)

    def concept(self, scheme: str, name: str) -> str:
        """Return the concept of a name: a colon and the key of its term, or else the name in NFC."""
        plain = nfc(name)
        key = self.concepts.get((scheme, plain))
        return plain if key is None else f":{key}"

    def term(self, scheme: str, name: str) -> str | None:
        """Return the key of the term that has a name; ``None`` if no term has it."""
        return self.concepts.get((scheme, nfc(name)))

    def within(self, scheme: str, part: str, containing: str) -> bool:
        """Whether the terms say that ``part`` is a part of ``containing``, directly or through others."""
        at, end = self.term(scheme, part), self.term(scheme, containing)
        seen: set[str] = set()
        while end is not None and at is not None and at not in seen:
            seen.add(at)
            at = self.broader.get(at)
            if at == end:
                return True
        return False
