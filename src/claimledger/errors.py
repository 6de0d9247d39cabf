"""Every error that claimledger raises on purpose.

::

    ClaimledgerError
    ├── InvalidInputError       records or options with problems: all of them, with their places
    ├── ParseError              a text that is not the date, number, key or formula it should be
    ├── NotFoundError           no record, dispute, proposal, measure or entry of that name
    ├── NotYetKnownError        a claim that was not known yet by the day asked about
    ├── AmbiguousError          a text that means several things; one must be named
    ├── RuleViolationError      a write that the ledger's rules do not allow
    │   ├── ClockError          a write by a clock far from the time of the last entry
    │   └── ConflictError       two writes about one record that differ
    ├── MissingFontError        a picture that needs a font this machine does not have
    ├── StoreError              the ledger's file or server cannot be used
    └── UnexpectedError         an exception that nothing handles: damaged views, or a bug

Each message says what is wrong, where, what would be right, and what was written. Each class has a
``code`` that ``--json`` prints and that does not change. The command line turns any of them into a message
and exit status 1 in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar


class ClaimledgerError(Exception):
    """The base of every error that claimledger raises on purpose."""

    code: ClassVar[str] = "error"
    """A stable name for programs; see ``docs/json.md``."""

    def as_json(self) -> dict[str, object]:
        """Return the error as a value that a program can read."""
        return {"error": type(self).__name__, "code": self.code, "message": str(self)}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where it is, what it is, and what would be right."""

    message: str
    field: str = ""
    value: str = ""
    expected: str = ""
    record: str = ""
    file: str = ""
    line: int = 0

    def at(self, *, file: str = "", line: int = 0, record: str = "") -> Problem:
        """Return this problem with the missing parts of its place filled in."""
        return replace(
            self,
            file=self.file or file,
            line=self.line or line,
            record=self.record or record,
        )

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "")
        about = " ".join(part for part in (self.record, self.field) if part)
        actual = f" (found: {self.value})" if self.value else ""
        right = f"; {self.expected}" if self.expected else ""
        head = ": ".join(part for part in (place, about) if part)
        return (
            f"{head}: {self.message}{actual}{right}" if head else f"{self.message}{actual}{right}"
        )

    def as_json(self) -> dict[str, object]:
        """Return the problem's fields, without the empty ones."""
        fields = ("file", "line", "record", "field", "value", "message", "expected")
        return {name: getattr(self, name) for name in fields if getattr(self, name)}


class InvalidInputError(ClaimledgerError):
    """Input with problems: every problem, not only the first, and what was written."""

    code = "invalid-input"

    def __init__(
        self, problems: Sequence[Problem], *, outcome: str = "nothing was written"
    ) -> None:
        self.problems = tuple(problems)
        self.kept = outcome
        lines = [*(str(problem) for problem in self.problems), outcome]
        super().__init__("\n".join(line for line in lines if line))

    def as_json(self) -> dict[str, object]:
        """Return the error with its problems as a list."""
        return {
            **super().as_json(),
            "problems": [problem.as_json() for problem in self.problems],
            "kept": self.kept,
        }


class ParseError(ClaimledgerError):
    """A text that is not the date, number, key or formula it should be."""

    code = "parse-error"


class NotFoundError(ClaimledgerError):
    """Nothing has this key or name; says what is known about it, or names the nearest ones."""

    code = "not-found"

    def __init__(
        self,
        what: str,
        key: str,
        nearest: Sequence[str] = (),
        *,
        known_by: str = "key",
        why: str = "",
    ) -> None:
        self.key = key
        self.nearest = tuple(nearest)
        hint = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        hint = f": {why}" if why else hint
        super().__init__(f"no {what} with the {known_by} {key!r}{hint}")

    def as_json(self) -> dict[str, object]:
        """Return the error with the nearest keys."""
        return {**super().as_json(), "key": self.key, "nearest": list(self.nearest)}


class NotYetKnownError(ClaimledgerError):
    """A claim is in the ledger, but was not known yet by the day of ``--as-of``."""

    code = "not-yet-known"


class AmbiguousError(ClaimledgerError):
    """A text means several things; the message lists them, and one of them must be named."""

    code = "ambiguous"


class RuleViolationError(ClaimledgerError):
    """A write that the ledger's rules do not allow; says which rule and what would be right."""

    code = "rule-violation"


class ClockError(RuleViolationError):
    """The clock is far from the time of the last entry; ``clock_is_right`` allows the write."""

    code = "clock"


class ConflictError(RuleViolationError):
    """Two writes about one record differ; names the fields and both values."""

    code = "conflict"

    def __init__(self, message: str, difference: Sequence[tuple[str, object, object]]) -> None:
        self.difference = tuple(difference)
        lines = [f"  {field}: {old!r} -> {new!r}" for field, old, new in self.difference]
        super().__init__("\n".join([message, *lines]))

    def as_json(self) -> dict[str, object]:
        """Return the error with the difference, field by field."""
        rows = [
            {"field": field, "ledger": old, "given": new} for field, old, new in self.difference
        ]
        return {**super().as_json(), "difference": rows}


class MissingFontError(ClaimledgerError):
    """A picture of letters needs a font, and this machine has none."""

    code = "missing-font"


class StoreError(ClaimledgerError):
    """The ledger's file or server cannot be used: missing, foreign, newer, locked, read-only, full."""

    code = "store"


class UnexpectedError(ClaimledgerError):
    """An exception that no command handles: the ledger's views are damaged, or the program has a bug.

    ``outcome`` says what the command had written before it failed.
    """

    code = "unexpected"

    def __init__(self, cause: Exception, outcome: str) -> None:
        super().__init__(
            f"unexpected {type(cause).__name__}: {str(cause)[:200]}; {outcome}. If `claimledger verify` "
            "reports damage, `rebuild` or `salvage` repairs it; if the ledger is clean, this is a bug: "
            "please report it with the traceback, which CLAIMLEDGER_TRACEBACK=1 shows"
        )
