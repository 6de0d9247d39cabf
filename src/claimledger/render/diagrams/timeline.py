"""Figures over time: a mark a figure, a line a claimant, intervals as bars, uncertain dates as spans."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from claimledger.analysis.analysis import Analysis
from claimledger.present import phrases
from claimledger.records.claim import Claim
from claimledger.records.dates import day_text
from claimledger.records.figure import Figure
from claimledger.records.link import LinkType
from claimledger.records.vocabulary import MEASURE
from claimledger.render.diagrams.text_width import clipped
from claimledger.render.environment import environment
from claimledger.services.record_cache import RecordCache

if TYPE_CHECKING:
    from claimledger.ledger import LedgerView

MOST_PANELS = 6
MOST_VOICES = 12
"""Claimants that get a line of their own; the others share one."""


@dataclass(frozen=True, slots=True)
class Point:
    """One figure: when, between what, by whom."""

    key: str
    who: str
    first: int
    last: int
    low: Decimal | None
    high: Decimal | None
    words: str
    contested: bool
    scope: str
    """What it is limited to: only figures of one scope are joined by a line."""

    renews: str
    """The claim it updates, if any."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The figures of one measure."""

    measure: str
    points: tuple[Point, ...]
    conflicts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a timeline shows."""

    title: str
    panels: tuple[Panel, ...]
    measures: tuple[str, ...]
    """Every measure there is, also those not drawn."""

    note: str


def timeline(
    view: LedgerView, answers: Analysis, keys: Iterable[str], title: str, measure: str | None = None
) -> Timeline:
    """Return the figures of some claims over time, the measures with most of them first."""
    names = RecordCache(view)
    vocabulary = view.vocabulary()
    graph = answers.graph
    only_concept = None if measure is None else vocabulary.concept(MEASURE, measure)
    claim_keys = sorted(key for key in keys if key in graph.claims)
    names.learn("claim", claim_keys)
    points: dict[str, list[Point]] = defaultdict(list)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for key in claim_keys:
        claim = names.claim(key)
        date = claim.about or claim.asserted
        known = graph.known_by[key]
        last = date.latest if date and date.latest is not None else known
        first = date.earliest if date and date.earliest is not None else last
        renews = next((link.to for link in graph.from_(LinkType.UPDATES, key)), "")
        for figure in claim.figures:
            concept = vocabulary.concept(MEASURE, figure.measure) + (
                f" {figure.unit}" if figure.unit else ""
            )
            if (
                only_concept is not None
                and vocabulary.concept(MEASURE, figure.measure) != only_concept
            ):
                continue
            labels[concept][figure.measure + (f", {figure.unit}" if figure.unit else "")] += 1
            span = figure.interval
            points[concept].append(
                Point(key, names.claimants(claim), first, last, span.low, span.high, phrases.figure(figure),
                      answers.attacks.contested(key), _scope(claim, figure), renews)
            )  # fmt: skip
    order = sorted(points, key=lambda concept: (-len(points[concept]), concept))
    panels = tuple(
        Panel(
            labels[concept].most_common(1)[0][0],
            tuple(points[concept]),
            tuple(_conflicts(answers, points[concept])),
        )
        for concept in order[:MOST_PANELS]
    )
    left = len(order) - len(panels)
    note = f"{left} more measures are not drawn; name one with --measure." if left else ""
    measures = tuple(labels[concept].most_common(1)[0][0] for concept in order)
    return Timeline(title, panels, measures, note)


def _scope(claim: Claim, figure: Figure) -> str:
    return ", ".join(f"{name}: {text}" for name, text in sorted(claim.scope_of(figure).items()))


def _conflicts(answers: Analysis, points: list[Point]) -> Iterator[tuple[str, str]]:
    inside = {point.key for point in points}
    for link in answers.graph.links:
        if link.type == LinkType.CONTRADICTS and link.from_ in inside and link.to in inside:
            yield link.from_, link.to


# Drawing

Scale = Callable[[int], float]
Rise = Callable[[Decimal], float]

_W, _H, _LEFT, _TOP, _ROW = 900, 250, 78, 44, 20
_MARKS = ("M-5,-5H5V5H-5Z", "M0,-6L6,5H-6Z", "M0,-6L6,0L0,6L-6,0Z", "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0",
          "M-5,-5L5,5M5,-5L-5,5", "M0,-6V6M-6,0H6")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Mark:
    """How one figure is drawn: its mark, and the paths of what it has besides, or nothing."""

    title: str
    x: str
    y: str
    shape: str
    join: str
    span: str
    range: str
    contested: bool


@dataclass(frozen=True, slots=True)
class _DrawnPanel:
    """One panel with every position that the template needs, from its own left upper corner."""

    top: int
    measure: str
    levels: tuple[tuple[str, str, str], ...]
    days: tuple[tuple[str, str], ...]
    voices: tuple[str, ...]
    conflicts: tuple[tuple[str, str], ...]
    marks: tuple[_Mark, ...]
    names: tuple[tuple[int, int, str, str], ...]


def timeline_svg(value: Timeline, *, prefix: str = "") -> str:
    """Return the timeline as one SVG document; ``prefix`` keeps ids apart if a page has several."""
    panels, top = [], 8
    for panel in value.panels:
        voices = _voices(panel)
        panels.append(_drawn(panel, voices, top))
        top += _H + _TOP + 34 + _ROW * ((len(voices) + 1) // 2)
    template = environment().get_template("timeline.svg")
    return template.render(
        timeline=value,
        prefix=prefix,
        words=in_words(value),
        width=_W,
        height=top + 52,
        left=_LEFT,
        right=_W - 40,
        chart_top=_TOP,
        chart_bottom=_TOP + _H,
        panels=panels,
    )


def _voices(panel: Panel) -> list[str]:
    counted = Counter(point.who for point in panel.points)
    return [
        who
        for who, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_VOICES]
    ]


def _drawn(panel: Panel, voices: list[str], top: int) -> _DrawnPanel:
    first, last = min(p.first for p in panel.points), max(p.last for p in panel.points)
    pad = max(15, (last - first) // 20)
    first, last = first - pad, last + pad
    low, high = _bounds(panel)

    def x(day: int) -> float:
        return _LEFT + (day - first) / (last - first) * (_W - _LEFT - 40)

    def y(number: Decimal) -> float:
        return float(_TOP + _H - (number - low) / (high - low) * _H)

    levels = [low + (high - low) * step / 4 for step in range(5)]
    days = [first + (last - first) * step // 4 for step in range(5)]
    precision = 10 if last - first < 200 else 7
    middles = _apart(panel, x, y, low, high)
    return _DrawnPanel(
        top,
        clipped(panel.measure, 700),
        tuple((f"{y(number):.1f}", f"{y(number) + 4:.1f}", _short(number)) for number in levels),
        tuple((f"{x(day):.1f}", day_text(day)[:precision]) for day in days),
        tuple(_voice_paths(panel, middles)),
        tuple(
            (f"M{_at(middles[left])}L{_at(middles[right])}", f"{left} contradicts {right}")
            for left, right in panel.conflicts
        ),
        tuple(_mark(point, voices, middles, x, y, low, high) for point in panel.points),
        tuple(
            (24 + (place % 2) * 430, _TOP + _H + 38 + (place // 2) * _ROW, _shape(place), clipped(who, 390))
            for place, who in enumerate(voices)
        ),
    )  # fmt: skip


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _shape(place: int) -> str:
    return _MARKS[place % len(_MARKS)]


def _voice_paths(panel: Panel, middles: dict[str, tuple[float, float]]) -> Iterator[str]:
    """Yield a path through the figures of one claimant and one scope, in the order of their dates."""
    for who, scope in sorted({(p.who, p.scope) for p in panel.points}):
        own = [p for p in panel.points if (p.who, p.scope) == (who, scope)]
        own.sort(key=lambda p: (p.last, p.key))
        if len(own) > 1:
            yield "M" + " L".join(_at(middles[p.key]) for p in own)


def _mark(point: Point, voices: list[str], middles: dict[str, tuple[float, float]], x: Scale, y: Rise,
          low: Decimal, high: Decimal) -> _Mark:  # fmt: skip
    at = middles[point.key]
    at_x, at_y = f"{at[0]:.1f}", f"{at[1]:.1f}"
    join = span = bar = ""
    if point.renews in middles:
        join = f"M{_at(middles[point.renews])}L{_at(at)}"
    if point.last > point.first:
        span = f"M{x(point.first):.1f},{at_y}H{x(point.last):.1f}"
    if point.low != point.high:
        bottom = y(point.low if point.low is not None else low)
        top = y(point.high if point.high is not None else high)
        bar = f"M{at_x},{bottom:.1f}V{top:.1f}"
    place = voices.index(point.who) if point.who in voices else len(voices)
    title = f"{point.words}, {point.who} [{point.key}]"
    return _Mark(title, at_x, at_y, _shape(place), join, span, bar, point.contested)


def _apart(
    panel: Panel, x: Scale, y: Rise, low: Decimal, high: Decimal
) -> dict[str, tuple[float, float]]:
    """Return where each figure is marked; of several at one place each a little further right."""
    marks: dict[str, tuple[float, float]] = {}
    taken: Counter[tuple[int, int]] = Counter()
    for point in panel.points:
        at = x((point.first + point.last) // 2), y(_middle(point, low, high))
        spot = round(at[0] / 8), round(at[1] / 8)
        marks[point.key] = (at[0] + 15 * taken[spot], at[1])
        taken[spot] += 1
    return marks


def _bounds(panel: Panel) -> tuple[Decimal, Decimal]:
    known = [bound for p in panel.points for bound in (p.low, p.high) if bound is not None]
    low, high = min(known), max(known)
    room = max((high - low) / 10, abs(high) / 20, Decimal("0.5"))
    return (low - room if low < 0 or low - room > 0 else Decimal(0)), high + room


def _middle(point: Point, low: Decimal, high: Decimal) -> Decimal:
    """Where a figure is marked: at its only bound, or midway."""
    if point.low is None or point.high is None:
        bound = point.low if point.low is not None else point.high
        return bound if bound is not None else (low + high) / 2
    return (point.low + point.high) / 2


def _short(number: Decimal) -> str:
    for size, sign in ((10**9, "bn"), (10**6, "m"), (10**3, "k")):
        if abs(number) >= size * 10:
            return f"{number / size:,.0f}{sign}"
    return f"{number:,.0f}" if abs(number) >= 10 else f"{number:,.1f}"


def in_words(value: Timeline) -> str:
    """Return the whole picture in words, for who cannot see it."""
    sentences = [f"{value.title}."]
    for panel in value.panels:
        sentences.append(f"{panel.measure}:")
        for point in sorted(panel.points, key=lambda p: (p.last, p.key)):
            when = (
                day_text(point.last)
                if point.first == point.last
                else f"{day_text(point.first)} to {day_text(point.last)}"
            )
            sentences.append(
                f"{when} {point.who} {point.words} [{point.key}]{', contested' if point.contested else ''};"
            )
        sentences += [f"{left} contradicts {right}." for left, right in panel.conflicts]
    return " ".join([*sentences, value.note]).strip()
