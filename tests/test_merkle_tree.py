"""The Merkle tree and canonical JSON, compared with naive versions of RFC 9162 and with another RFC 8785 library."""

from __future__ import annotations

import json
from hashlib import sha256

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from claimledger.log import merkle
from claimledger.log.canonical_json import canonical
from claimledger.log.entry import header_of


def naive_root(leaves: list[bytes]) -> bytes:
    """Return MTH(D[n]) of RFC 9162, section 2.1.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(leaf: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]) of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if leaf < split:
        return [*naive_path(leaf, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(leaf - split, leaves[split:]), naive_root(leaves[:split])]


def naive_subproof(old: int, leaves: list[bytes], is_complete: bool) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b) of section 2.1.4.1."""
    if old == len(leaves):
        return [] if is_complete else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_subproof(old, leaves[:split], is_complete), naive_root(leaves[split:])]
    return [*naive_subproof(old - split, leaves[split:], False), naive_root(leaves[:split])]


class StoredTree:
    """A tree as the log stores it: with each leaf the roots of the subtrees that it completes."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.frontier = merkle.Frontier()
        self.nodes = [self.frontier.append(leaf) for leaf in leaves]

    def lookup(self, level: int, index: int) -> bytes:
        nodes = self.nodes[((index + 1) << level) - 1]
        return nodes[level * 32 : level * 32 + 32]


leaf_lists = st.lists(st.binary(max_size=4), max_size=70)


@given(leaf_lists)
def test_the_root_is_that_of_the_rfc(leaves: list[bytes]) -> None:
    stored = StoredTree(leaves)
    assert stored.frontier.root == naive_root(leaves)
    assert merkle.root(len(leaves), stored.lookup) == naive_root(leaves)
    reread = merkle.Frontier.read(len(leaves), stored.lookup)
    reread.append(b"next")
    assert reread.root == naive_root([*leaves, b"next"])


@given(leaf_lists.filter(bool), st.data())
def test_inclusion_proofs_are_those_of_the_rfc_and_verify(
    leaves: list[bytes], data: st.DataObject
) -> None:
    leaf = data.draw(st.integers(0, len(leaves) - 1))
    proof = merkle.inclusion_proof(leaf, len(leaves), StoredTree(leaves).lookup)
    assert proof == naive_path(leaf, leaves)
    digest, root = merkle.leaf_hash(leaves[leaf]), naive_root(leaves)
    assert merkle.verify_inclusion(leaf, len(leaves), digest, proof, root)
    assert not merkle.verify_inclusion(leaf, len(leaves), merkle.leaf_hash(b"other!"), proof, root)
    assert not merkle.verify_inclusion(leaf, len(leaves), digest, [*proof, root], root)


@given(leaf_lists.filter(bool), st.data())
def test_consistency_proofs_are_those_of_the_rfc_and_verify(
    leaves: list[bytes], data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    proof = merkle.consistency_proof(old, len(leaves), StoredTree(leaves).lookup)
    assert proof == (naive_subproof(old, leaves, True) if old < len(leaves) else [])
    before, after = naive_root(leaves[:old]), naive_root(leaves)
    assert merkle.verify_consistency(old, len(leaves), before, after, proof)
    if old < len(leaves):
        forged = naive_root([b"forged", *leaves[1:old]])
        if forged != before:
            assert not merkle.verify_consistency(old, len(leaves), forged, after, proof)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_is_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_names_sort_by_utf16_code_units() -> None:
    value = {"\U0001f600": 1, "\ufb33": 2, "a": {"\U00010000": 0, "\uffff": 1}}
    assert canonical(value) == rfc8785.dumps(value)


def test_a_header_is_canonical() -> None:
    header = header_of("2022-10-31T12:00:00.000000Z", "ab" * 32)
    assert header == canonical(json.loads(header))
