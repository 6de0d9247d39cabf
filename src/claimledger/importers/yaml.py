"""YAML documents whose values know their lines, read by PyYAML's composer.

Every scalar stays the text it was written as (``no`` is a string, a date stays text), except that a plain
null is no value, as in JSON. A name given twice is refused, nesting is bounded, and aliases cannot explode.
"""

from __future__ import annotations

from typing import Any, NoReturn

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.events import AliasEvent, ScalarEvent, SequenceStartEvent
from yaml.nodes import Node
from yaml.reader import ReaderError

from claimledger.errors import InvalidInputError, Problem
from claimledger.importers.positions import DEEPEST, Parsed, Path

MOST_VALUES = 5_000_000
"""Values in one YAML file, aliases counted each time they are used."""

MOST_ALIASED = 100_000
"""Values that aliases may add: enough for shared citations, far from an explosion."""


def parse_yaml(text: str, file: str) -> Parsed:
    """Parse one YAML document; raise :class:`InvalidInputError` with the line of what is wrong."""
    try:
        composer = _ValueComposer(text)
        root = composer.get_node() if composer.check_node() else None
        if composer.check_node():
            what = "holds a second document (---); write one list of records"
            _refuse(what, composer.peek_event())
    except ReaderError as error:
        what = f"is not valid YAML: {error.reason}"
        # ``position`` counts bytes in libyaml, characters in PyYAML.
        line = text.count("\n", 0, text.find(chr(error.character))) + 1
        raise InvalidInputError([Problem(what, file=file, line=line)]) from None
    except MarkedYAMLError as error:
        what, mark = str(error.problem), error.problem_mark
        if "nesting" in what:  # libyaml looks ahead, and newer ones have a bound of their own
            what = f"is nested deeper than {DEEPEST} levels"
        elif not isinstance(error, _RefusedError):
            what = f"is not valid YAML: {what}"
        problem = Problem(what, file=file, line=mark.line + 1 if mark else 0)
        raise InvalidInputError([problem]) from None
    return Parsed(root and root.value, composer.lines)


class _RefusedError(MarkedYAMLError):
    """A document that is valid YAML, and yet refused."""


def _refuse(what: str, place: Any) -> NoReturn:
    raise _RefusedError(problem=what, problem_mark=place.start_mark)


# Events come from libyaml, where PyYAML has it, and PyYAML's Python composes them. ``CBaseLoader`` alone
# would compose in C, which recurses before any check of ours; older versions of libyaml have no bound.
_LOADER: tuple[Any, ...] = (
    (Composer, yaml.CBaseLoader) if yaml.__with_libyaml__ else (yaml.BaseLoader,)
)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class _ValueComposer(*_LOADER):  # type: ignore[misc]
    """Composes nodes whose ``value`` is the plain value already, within the bounds of a case file.

    The nodes of a whole file would need much memory, and more time for garbage collection than for parsing.
    So a list or an object replaces the nodes in it by their values as soon as it is complete.
    """

    def __init__(self, text: str) -> None:
        _LOADER[-1].__init__(self, text)  # the composer's takes no text
        self.anchors: dict[str, Node] = {}
        self.lines: dict[Path, int] = {}
        self._path: Path = ()
        self._sizes: dict[str, int] = {}
        self._values = self._aliased = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node:
        """Compose the next node.

        Args:
            parent: The list or object around it.
            index: Its place in a list, the node of its name in an object, None if it is a name itself.
        """
        event = self.peek_event()
        is_name = parent is not None and index is None
        path = self._path
        if isinstance(index, Node):
            path = (*path, index.value)
            if path in self.lines:
                _refuse(f"gives {index.value!r} twice in one object", index)
            self.lines[path] = index.start_mark.line + 1
        elif not is_name:
            path = path if parent is None else (*path, index)
            self.lines[path] = event.start_mark.line + 1
        node = (
            self._alias() if isinstance(event, AliasEvent) else self._composed(event, path, is_name)
        )
        if is_name and not isinstance(node.value, str):
            _refuse("has a name that is not text", node)
        return node

    def _composed(self, event: Any, path: Path, is_name: bool) -> Node:
        before = self._values
        self._count(1, event)
        if isinstance(event, ScalarEvent):
            node: Node = self.compose_scalar_node(event.anchor)
            plain, _ = event.implicit  # not its style, which libyaml and PyYAML give in two ways
            if plain and not event.tag and node.value in _NULLS:
                node.value = None
        else:
            if is_name:
                _refuse("has a list or an object where a name belongs", event)
            if len(path) >= DEEPEST:
                _refuse(f"is nested deeper than {DEEPEST} levels", event)
            around, self._path = self._path, path
            if isinstance(event, SequenceStartEvent):
                node = self.compose_sequence_node(event.anchor)
                node.value = [item.value for item in node.value]
            else:
                node = self.compose_mapping_node(event.anchor)
                node.value = {name.value: value.value for name, value in node.value}
            self._path = around
        if event.anchor:
            self._sizes[event.anchor] = self._values - before
        return node

    def resolve(self, *_: Any) -> str:
        """Return the tag of a node without one: none, since no value depends on a tag."""
        return ""

    def _alias(self) -> Node:
        event = self.get_event()
        node = self.anchors.get(event.anchor)
        if node is None or node.end_mark is None:  # a list or an object that is still open: a cycle
            _refuse(f"uses the alias *{event.anchor} before its anchor is complete", event)
        size = self._sizes[event.anchor]
        self._count(size, event)  # so that an anchor around aliases weighs what they expand to
        self._aliased += size
        if self._aliased > MOST_ALIASED:
            _refuse("has aliases that multiply without bound; write the records out", event)
        return Node(node.tag, node.value, event.start_mark, event.end_mark)

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            _refuse(f"holds more than {MOST_VALUES:,} values; use JSON Lines", event)
