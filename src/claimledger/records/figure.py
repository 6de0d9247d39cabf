"""Figure: a number in a claim, as an interval of exact decimals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from claimledger.errors import ParseError
from claimledger.records.base import Part, StringMap
from claimledger.text.unicode import Name


class Qualifier(StrEnum):
    """How a figure's bounds limit its value."""

    EXACT = "exact"
    ABOUT = "about"
    OVER = "over"
    AT_LEAST = "at least"
    UNDER = "under"
    AT_MOST = "at most"
    BETWEEN = "between"


class Nature(StrEnum):
    """Whether a figure is a count at a moment, a total so far, or a count within a period."""

    STOCK = "stock"
    TOTAL = "total"
    FLOW = "flow"


_DECIMAL = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?", re.ASCII)


def _exact(value: object) -> Decimal:
    if isinstance(value, Decimal):
        value = format(value, "f")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if isinstance(value, float):
        raise PydanticCustomError("decimal", 'is a binary fraction; write it as text: "1.5"')
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise PydanticCustomError(
            "decimal",
            'is not a decimal number; write digits and a point ("54", "1.5"), or use `value`',
        )
    return Decimal(value)


Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,60}(\.[0-9]{1,60})?$"}),
]
"""An exact decimal, with every digit preserved; a string in files."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A set of numbers between two bounds; ``None`` is no bound, and an open bound is not in the set."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False


class Figure(Part):
    """A number in a claim, as an interval.

    ``over`` and ``under`` exclude their bound; ``at least`` and ``at most`` include it.
    """

    measure: Annotated[Name, Field(description="what is counted: stations")]
    low: Annotated[Exact | None, Field(description="its lower bound")] = None
    high: Annotated[Exact | None, Field(description="its upper bound")] = None
    qualifier: Annotated[Qualifier, Field(description="how the bounds are meant")] = Qualifier.EXACT
    unit: Annotated[Name | None, Field(description="its unit: %, km, USD 2022")] = None
    nature: Annotated[
        Nature | None,
        Field(description="a count at a moment, all so far, or within a period"),
    ] = None
    scope: Annotated[
        StringMap,
        Field(default_factory=dict, description="what it is limited to, beside the claim's"),
    ]
    base: Annotated[Name | None, Field(description="its denominator: per 100,000 residents")] = None
    method: Annotated[Name | None, Field(description="how it was counted")] = None
    vintage: Annotated[Name | None, Field(description="which release: preliminary, 2022-10")] = None
    formula: Annotated[
        Name | None,
        Field(description="how it is computed from what the claim derives from: sum(a, b)"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _value_in_words(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "value" not in fields:
            return fields
        if "low" in fields or "high" in fields or "qualifier" in fields:
            raise PydanticCustomError("value", "has `value` and bounds; give one or the other")
        fields = dict(fields)
        written = fields.pop("value")
        if isinstance(written, int) and not isinstance(written, bool):
            written = str(written)
        if not isinstance(written, str):
            raise PydanticCustomError("value", "has a `value` that is not text; write it in quotes")
        # Imported late: compiling its patterns would slow down every start.
        from claimledger.records.number_words import read_value

        try:
            value = read_value(written)
        except ParseError as error:
            raise PydanticCustomError(
                "value",
                "has a `value` ({written}) that {reason}",
                {"written": written[:60], "reason": str(error)},
            ) from None
        bounds = {"low": value.low, "high": value.high}
        fields.update({name: bound for name, bound in bounds.items() if bound is not None})
        fields["qualifier"] = value.qualifier
        if value.unit is not None:
            fields.setdefault("unit", value.unit)
        return fields

    @field_validator("formula")
    @classmethod
    def _is_a_formula(cls, formula: str | None) -> str | None:
        if formula is None:
            return None
        # Imported late: compiling its patterns would slow down every start.
        from claimledger.records.formula import read_formula

        try:
            return str(read_formula(formula))
        except ParseError as error:
            raise PydanticCustomError(
                "formula", "has a `formula` that {reason}", {"reason": str(error)}
            ) from None

    @model_validator(mode="after")
    def _makes_an_interval(self) -> Figure:
        low, high = self.low, self.high
        if low is None and high is None:
            raise PydanticCustomError("bounds", "has no bound; give `low`, `high` or `value`")
        if low is not None and high is not None:
            if low > high:
                raise PydanticCustomError(
                    "bounds",
                    "has low {low} above high {high}; swap them",
                    {"low": str(low), "high": str(high)},
                )
            if self.qualifier in ("over", "under") and low == high:
                raise PydanticCustomError(
                    "bounds",
                    'is "{qualifier}" with both bounds at {low}, which no number satisfies; '
                    "leave the other bound out",
                    {"qualifier": self.qualifier, "low": str(low)},
                )
        needed = {"over": low, "at least": low, "under": high, "at most": high}
        if self.qualifier in needed and needed[self.qualifier] is None:
            raise PydanticCustomError(
                "bounds",
                'is "{qualifier}" without its bound; give `{bound}`',
                {
                    "qualifier": self.qualifier,
                    "bound": "low" if self.qualifier in ("over", "at least") else "high",
                },
            )
        return self

    @property
    def interval(self) -> Interval:
        """The numbers that the figure allows; see :func:`interval_of`."""
        return interval_of(self.low, self.high, self.qualifier)

    @property
    def words(self) -> str:
        """The value in words: ``over 1,800``, ``1.2 to 1.5``, ``54 %``."""
        low, high = _grouped(self.low), _grouped(self.high)
        unit = ("" if self.unit == "%" else " ") + self.unit if self.unit else ""
        qualified = "" if self.qualifier in ("exact", "between") else self.qualifier + " "
        if low and high:
            return qualified + (low if self.low == self.high else f"{low} to {high}") + unit
        if qualified:
            return qualified + (low or high) + unit
        return (f"{low} or more" if low else f"{high} or fewer") + unit


def interval_of(low: Decimal | None, high: Decimal | None, qualifier: str) -> Interval:
    """Return the numbers that bounds and their qualifier allow.

    "about" extends each bound by half a unit of its last significant digit.
    """
    if qualifier == "about":
        return Interval(
            None if low is None else _WIDE.subtract(low, _half_step(low)),
            None if high is None else _WIDE.add(high, _half_step(high)),
        )
    return Interval(
        low=low, high=high, low_open=qualifier == "over", high_open=qualifier == "under"
    )


def _grouped(number: Decimal | None) -> str:
    return "" if number is None else f"{number:,f}"


_WIDE = Context(prec=200)
"""Precise enough that the sum of any two bounds is exact."""


def _half_step(number: Decimal) -> Decimal:
    """Return half a unit of the last significant digit: 0.5 for 54, 5,000 for 230,000, 0.005 for 1.50.

    Zeros at the end of a whole number are not significant; zeros after the decimal point are.
    """
    _, digits, exponent = number.as_tuple()
    step = int(exponent)
    if step == 0:
        significant = "".join(map(str, digits)).rstrip("0")
        step = len(digits) - len(significant) if significant else 0
    return Decimal((0, (5,), step - 1))
