"""The Merkle tree of the log: RFC 6962 section 2.1, RFC 9162 section 2.1.

The leaves are the headers of the entries, in order. The hash of a leaf is the SHA-256 of 0x00 and the leaf;
that of a node is the SHA-256 of 0x01 and the hashes of its two children. A complete subtree never changes
once it has its last leaf, so its hash is stored with the entry that completes it: entry *n* completes a
subtree of 2**k leaves for every 2**k that divides *n*. Appending and proving then read O(log n) stored
hashes.

A subtree is denoted by ``(level, index)``: it has the 2**level leaves that begin at ``index * 2**level``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

SIZE = 32
"""The number of bytes in a hash."""

Lookup = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree with a level and an index."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node from the hashes of its children."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees into which a tree divides, the largest first."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    @classmethod
    def read(cls, size: int, lookup: Lookup) -> Frontier:
        """Return the frontier of the first ``size`` leaves of a stored tree."""
        return cls(size, [lookup(level, index) for level, index in peaks(size)])

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf; return the joined hashes of the subtrees that it completes, the smallest first."""
        # The peaks correspond to the 1 bits of the size, as in a binary counter. Adding a leaf carries over
        # the trailing 1 bits: each of these subtrees becomes the left child of a complete one twice its
        # size.
        node = sha256(b"\x00" + leaf).digest()
        completed = node
        size = self.size
        peaks = self.peaks
        while size & 1:
            node = sha256(b"\x01" + peaks.pop() + node).digest()
            completed += node
            size >>= 1
        peaks.append(node)
        self.size += 1
        return completed

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return _joined(self.peaks)


def peaks(size: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that cover the first ``size`` leaves, from left to right."""
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            yield level, start >> level
            start += 1 << level


def root(size: int, lookup: Lookup) -> bytes:
    """Return the root of the tree of the first ``size`` leaves."""
    return _joined([lookup(level, index) for level, index in peaks(size)])


def _joined(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY
    right = hashes[-1]
    for left in reversed(hashes[:-1]):
        right = node_hash(left, right)
    return right


def inclusion_proof(leaf: int, size: int, lookup: Lookup) -> list[bytes]:
    """Return the audit path of a leaf, numbered from 0, in the tree of ``size`` leaves (RFC 9162, 2.1.3).

    Raises :class:`IndexError` if the tree has no such leaf.
    """
    if not 0 <= leaf < size:
        raise IndexError(f"a tree of {size} leaves has no leaf {leaf}")
    return _path(leaf, 0, size, lookup)


def _path(leaf: int, start: int, end: int, lookup: Lookup) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if leaf < middle:
        return [*_path(leaf, start, middle, lookup), _range(middle, end, lookup)]
    return [*_path(leaf, middle, end, lookup), _range(start, middle, lookup)]


def consistency_proof(old: int, new: int, lookup: Lookup) -> list[bytes]:
    """Return the proof that the first ``old`` of ``new`` leaves are those of the old tree (RFC 9162, 2.1.4).

    Raises :class:`IndexError` if ``old`` is larger than ``new``.
    """
    if not 0 <= old <= new:
        raise IndexError(f"a tree of {new} leaves does not have {old} leaves")
    if old in (0, new):
        return []
    return _subproof(old, 0, new, True, lookup)


def _subproof(old: int, start: int, end: int, is_complete: bool, lookup: Lookup) -> list[bytes]:
    # A verifier knows the root of the old tree, so the proof omits it while the old tree is a complete
    # subtree on the left edge (RFC 9162 calls this flag b). Below any right turn the hash has to be in the
    # proof.
    if old == end:
        return [] if is_complete else [_range(start, end, lookup)]
    middle = start + _split(end - start)
    if old <= middle:
        return [*_subproof(old, start, middle, is_complete, lookup), _range(middle, end, lookup)]
    return [*_subproof(old, middle, end, False, lookup), _range(start, middle, lookup)]


def _split(size: int) -> int:
    """Return the largest power of two smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _range(start: int, end: int, lookup: Lookup) -> bytes:
    """Return the root over the leaves from ``start`` up to ``end``.

    RFC 9162 splits only at powers of two, so each range divides into complete subtrees that are stored.
    """
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        hashes.append(lookup(level, start >> level))
        start += 1 << level
    return _joined(hashes)


def verify_inclusion(
    leaf: int, size: int, leaf_digest: bytes, path: Sequence[bytes], top: bytes
) -> bool:
    """Whether an audit path proves that the root ``top`` covers a leaf (RFC 9162, section 2.1.3.2)."""
    if not 0 <= leaf < size:
        return False
    position, last, node = leaf, size - 1, leaf_digest
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == top


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a proof shows that a new tree continues an old one (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and (old_root == EMPTY if old == 0 else old_root == new_root)
    # Both roots are computed from the same hashes. If ``old`` is a power of two, the old tree is one complete
    # subtree: its root is where both computations start, and the proof omits it.
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
