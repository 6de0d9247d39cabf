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
from claimledger.render.diagrams.svg import safe
from claimledger.render.diagrams.text_width import clipped
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
STYLE = """
.page{fill:#fff}.axis{fill:none;stroke:#777;stroke-width:1}.grid{fill:none;stroke:#ddd;stroke-width:1}
text{font-family:system-ui,"DejaVu Sans","Noto Sans","Noto Sans CJK SC",sans-serif;font-size:12px;fill:#1a1a1a}
.small{font-size:10.5px;fill:#555}.name{font-weight:600}.span{stroke:#666;stroke-width:2}
.range{stroke:#2d4f8a;stroke-width:3}.mark{fill:#2d4f8a;stroke:#2d4f8a;stroke-width:2}
.join{fill:none;stroke:#6b3f8a;stroke-width:1.6;stroke-dasharray:12 3 2 3}
.voice{fill:none;stroke:#bbb;stroke-width:1}.clash{stroke:#8a1c1c;stroke-width:2.4}
.contested{fill:none;stroke:#8a1c1c;stroke-width:2.2}
@media (prefers-color-scheme:dark){.page{fill:#15171a}.axis{stroke:#999}.grid{stroke:#333}text{fill:#eee}
.small{fill:#bbb}.span{stroke:#aaa}.range{stroke:#8fb4f0}.mark{fill:#8fb4f0;stroke:#8fb4f0}.join{stroke:#cfa6ee}
.voice{stroke:#555}.clash,.contested{stroke:#f08a7a}}
"""


def timeline_svg(value: Timeline, *, prefix: str = "") -> str:
    """Return the timeline as one SVG document."""
    return "\n".join(_parts(value, prefix)) + "\n"


def _parts(value: Timeline, prefix: str) -> Iterator[str]:
    voices = [_voices(panel) for panel in value.panels]
    heights = [_H + _TOP + 34 + _ROW * ((len(names) + 1) // 2) for names in voices]
    height = sum(heights) + 60
    name = f"{prefix}timeline"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" width="{_W}" height="{height}" '
        f'role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{safe(value.title)}</title><desc id="{name}-desc">{safe(in_words(value))}</desc>'
        f'<style>{STYLE}</style><rect class="page" width="{_W}" height="{height}"/>'
    )
    top = 8
    for panel, names, tall in zip(value.panels, voices, heights, strict=True):
        yield f'<g transform="translate(0 {top})">'
        yield from _panel(panel, names)
        yield "</g>"
        top += tall
    if not value.panels:
        yield f'<text x="24" y="40">{safe(value.title)}: no figures to draw.</text>'
    yield f'<g transform="translate(24 {top + 12})">{_legend()}</g>'
    yield f'<text class="small" x="24" y="{height - 6}">{safe(value.note)}</text></svg>'


def _legend() -> str:
    return (
        '<path class="range" d="M4,-4V10"/><text x="14" y="8">from lower to upper bound</text>'
        '<path class="span" d="M190,3H216"/><text x="224" y="8">date not surer than this</text>'
        '<path class="join" d="M396,3H430"/><text x="438" y="8">renewed</text>'
        '<path class="clash" d="M512,-4V10"/><text x="522" y="8">contradict each other</text>'
        '<circle class="contested" cx="690" cy="3" r="8"/><text x="704" y="8">contested</text>'
    )


def _voices(panel: Panel) -> list[str]:
    counted = Counter(point.who for point in panel.points)
    return [
        who
        for who, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_VOICES]
    ]


def _panel(panel: Panel, voices: list[str]) -> Iterator[str]:
    first, last = min(p.first for p in panel.points), max(p.last for p in panel.points)
    pad = max(15, (last - first) // 20)
    first, last = first - pad, last + pad
    low, high = _bounds(panel)

    def x(day: int) -> float:
        return _LEFT + (day - first) / (last - first) * (_W - _LEFT - 40)

    def y(number: Decimal) -> float:
        return float(_TOP + _H - (number - low) / (high - low) * _H)

    yield f'<text class="name" x="24" y="22">{safe(clipped(panel.measure, 700))}</text>'
    for step in range(5):
        number = low + (high - low) * step / 4
        at = y(number)
        yield f'<path class="grid" d="M{_LEFT},{at:.1f}H{_W - 40}"/>'
        yield f'<text class="small" x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{safe(_short(number))}</text>'
    yield f'<path class="axis" d="M{_LEFT},{_TOP}V{_TOP + _H}H{_W - 40}"/>'
    for step in range(5):
        day = first + (last - first) * step // 4
        yield (
            f'<text class="small" x="{x(day):.1f}" y="{_TOP + _H + 16}" text-anchor="middle">'
            f"{safe(day_text(day)[: 10 if last - first < 200 else 7])}</text>"
        )
    middles = _apart(panel, x, y, low, high)
    for who, scope in sorted({(p.who, p.scope) for p in panel.points}):
        own = [p for p in panel.points if (p.who, p.scope) == (who, scope)]
        own.sort(key=lambda p: (p.last, p.key))
        if len(own) > 1:
            path = " L".join(f"{middles[p.key][0]:.1f},{middles[p.key][1]:.1f}" for p in own)
            yield f'<path class="voice" d="M{path}"/>'
    for left, right in panel.conflicts:
        (ax, ay), (bx, by) = middles[left], middles[right]
        yield f'<path class="clash" d="M{ax:.1f},{ay:.1f}L{bx:.1f},{by:.1f}"><title>{safe(f"{left} contradicts {right}")}</title></path>'
    for point in panel.points:
        yield from _point(point, voices, middles, x, y, low, high)
    yield from _names(voices, _TOP + _H + 38)


def _point(point: Point, voices: list[str], middles: dict[str, tuple[float, float]], x: Scale, y: Rise,
           low: Decimal, high: Decimal) -> Iterator[str]:  # fmt: skip
    at_x, at_y = middles[point.key]
    title = f"{point.words}, {point.who} [{point.key}]"
    yield f"<g><title>{safe(title)}</title>"
    if point.renews in middles:
        from_x, from_y = middles[point.renews]
        yield f'<path class="join" d="M{from_x:.1f},{from_y:.1f}L{at_x:.1f},{at_y:.1f}"/>'
    if point.last > point.first:
        yield f'<path class="span" d="M{x(point.first):.1f},{at_y:.1f}H{x(point.last):.1f}"/>'
    if point.low != point.high:
        bottom, top = (
            y(point.low if point.low is not None else low),
            y(point.high if point.high is not None else high),
        )
        yield f'<path class="range" d="M{at_x:.1f},{bottom:.1f}V{top:.1f}"/>'
    place = voices.index(point.who) if point.who in voices else len(voices)
    yield f'<path class="mark" transform="translate({at_x:.1f} {at_y:.1f})" d="{_MARKS[place % len(_MARKS)]}"/>'
    if point.contested:
        yield f'<circle class="contested" cx="{at_x:.1f}" cy="{at_y:.1f}" r="10"/>'
    yield "</g>"


def _names(voices: list[str], top: int) -> Iterator[str]:
    for place, who in enumerate(voices):
        at_x, at_y = 24 + (place % 2) * 430, top + (place // 2) * _ROW
        yield (
            f'<path class="mark" transform="translate({at_x + 6} {at_y - 4})" d="{_MARKS[place % len(_MARKS)]}"/>'
            f'<text x="{at_x + 22}" y="{at_y}">{safe(clipped(who, 390))}</text>'
        )


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
