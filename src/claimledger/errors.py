"""Every error a user can meet.

Each says what is wrong, where, what would be right, and what was kept. The command line turns any
of them into a message and exit status 1 in one place; the library lets them through as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


class ClaimledgerError(Exception):
    """Base of every error that claimledger raises on purpose."""

    def as_json(self) -> dict[str, object]:
        """Return the error as a value a program can read."""
        return {"error": type(self).__name__, "message": str(self)}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where it stands, what was found, what would be right."""

    message: str
    field: str = ""
    value: str = ""
    expected: str = ""
    record: str = ""
    file: str = ""
    line: int = 0

    def at(self, *, file: str = "", line: int = 0, record: str = "") -> Problem:
        """Return this problem with its place filled in where it had none."""
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
        """Return the problem's own fields, without the empty ones."""
        fields = ("file", "line", "record", "field", "value", "message", "expected")
        return {name: getattr(self, name) for name in fields if getattr(self, name)}


class InvalidInputError(ClaimledgerError):
    """Input that cannot be taken: every problem found, not only the first."""

    def __init__(
        self, problems: Sequence[Problem], *, outcome: str = "nothing was written"
    ) -> None:
        self.problems = tuple(problems)
        self.kept = outcome
        lines = [*(str(problem) for problem in self.problems), outcome]
        super().__init__("\n".join(line for line in lines if line))

    def as_json(self) -> dict[str, object]:
        """Return the error with its problems one by one."""
        return {
            **super().as_json(),
            "problems": [problem.as_json() for problem in self.problems],
            "kept": self.kept,
        }


class ParseError(ClaimledgerError):
    """A text that is not the date, number or key it stands for."""


class NotFoundError(ClaimledgerError):
    """No record with this key; says what is known of the key, or names the nearest ones."""

    def __init__(
        self,
        what: str,
        key: str,
        nearest: Sequence[str] = (),
        known_by: str = "key",
        *,
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


class RuleViolationError(ClaimledgerError):
    """A write the ledger's rules do not allow; says which rule and what would be right."""


class ClockError(RuleViolationError):
    """A write by a clock that is far from the time of the last entry; ``clock_is_right`` lets it go on."""


class ConflictError(RuleViolationError):
    """Two writes about one record differ; names the fields and both values."""

    def __init__(self, message: str, difference: Sequence[tuple[str, object, object]]) -> None:
        self.difference = tuple(difference)
        lines = [f"  {field}: {old!r} -> {new!r}" for field, old, new in self.difference]
        super().__init__("\n".join([message, *lines]))

    def as_json(self) -> dict[str, object]:
        """Return the error with the difference, field by field."""
        rows = [{"field": f, "ledger": old, "given": new} for f, old, new in self.difference]
        return {**super().as_json(), "difference": rows}


class UnexpectedError(ClaimledgerError):
    """An exception that no command handles: the ledger's views are damaged, or the program has a bug.

    ``outcome`` says what the command had written before it failed.
    """

    def __init__(self, cause: Exception, outcome: str) -> None:
        super().__init__(
            f"unexpected {type(cause).__name__}: {str(cause)[:200]}; {outcome}. If `claimledger verify` "
            "reports damage, `rebuild` or `salvage` repairs it; if the ledger is clean, this is a bug: "
            "please report it with the traceback, which CLAIMLEDGER_TRACEBACK=1 shows"
        )


class StoreError(ClaimledgerError):
    """The ledger's file cannot be used as asked: missing, foreign, newer, locked, read-only, full."""
