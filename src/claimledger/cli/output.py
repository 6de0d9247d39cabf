"""How answers are printed: escaped, wrapped to the width, without colour or boxes in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from claimledger.text.unicode import json_text, visible
from claimledger.text.width import cells, shortened, wrapped

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_WIDEST = 100
_PIPE = 80


def printable(text: str) -> str:
    """Return a text as a terminal may show it: control and direction characters written out."""
    return visible(text)


def width() -> int:
    """Return the columns to fill: those of the terminal, at most 100; 80 in a pipe."""
    if not sys.stdout.isatty():
        return _PIPE
    return max(40, min(shutil.get_terminal_size((_PIPE, 24)).columns, _WIDEST))


def coloured() -> bool:
    """Whether to use colour: only on a terminal, never with ``NO_COLOR``."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def echo(text: str = "", indent: int = 0, hang: int = 0) -> None:
    """Print a paragraph, escaped and wrapped; lines after the first hang in by ``hang`` more."""
    for line in wrapped(printable(text), width(), indent, hang):
        click.echo(line)


def say_known(kind: str) -> None:
    """Say that nothing was written because just this record is there."""
    echo(
        f"The ledger already has this {kind}, or had it until it was withdrawn; nothing was written."
    )


def print_stderr(text: str, *, end: str = "\n") -> None:
    """Print a note on standard error; if that cannot be written, continue without it."""
    with suppress(OSError):
        click.echo(text + end, nl=False, err=True)


def answer(value: Any) -> None:
    """Print an answer as one JSON object."""
    click.echo(json_text(value))


def cut(text: str, columns: int) -> str:
    """Return a text escaped and cut to a number of columns."""
    return shortened(printable(text), columns)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, stretch: int) -> None:
    """Print rows in columns; the column ``stretch`` takes the remaining width and is cut to it."""
    printed = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max([cells(heading), *(cells(row[place]) for row in printed)])
        for place, heading in enumerate(headings)
    ]
    others = sum(w for place, w in enumerate(widths) if place != stretch) + 2 * (len(widths) - 1)
    widths[stretch] = max(12, min(widths[stretch], width() - others))
    for place, row in enumerate([list(headings), *printed]):
        line = "  ".join(
            (shown := cut(cell, widths[at])) + " " * (widths[at] - cells(shown))
            for at, cell in enumerate(row)
        ).rstrip()
        click.echo(click.style(line, bold=True) if place == 0 and coloured() else line)


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 claim``, ``1,200 claims``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def origins(at_least: int, at_most: int) -> str:
    """Return a range of origins in print: ``1..2``."""
    return f"{at_least}..{at_most}"


class Progress:
    """Shows how far long work has come: a bar on standard error, if that is a terminal."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: ProgressBar[int] | None = None

    def __call__(self, done: int, of: int | None) -> None:
        """Show how many are done, of how many; None if nobody can say."""
        if not self._shown:
            return  # click would write the label into a file or a pipe
        with suppress(OSError):
            if self._bar is None:
                self._bar = click.progressbar(
                    length=of or 0, label=self._label, show_pos=True, file=sys.stderr
                )
                self._bar.length = of
                # click hides the cursor while the bar is there; it must be back whatever ends the command.
                if context := click.get_current_context(silent=True):
                    context.call_on_close(self.finish)
            steps = done - self._bar.pos
            if of is None or done >= of or steps >= of // 100:  # salvage reports each entry
                self._bar.update(steps)
        if of is not None and done >= of:
            self.finish()

    def finish(self) -> None:
        """Leave the bar as it is and end its line; without a bar, do nothing."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.render_finish()
