"""Reads and proves a claimledger log with nothing but Python's standard library.

    claimledger export --log | python read_log.py            checks it, prints its size and root
    claimledger export --log | python read_log.py --records  prints the records that stand, one a line

It was written from docs/log-format.md, and is one way to read a log should claimledger itself be gone.
"""

import base64
import hashlib
import json
import sys

ACTIONS = {"record", "amend", "withdraw", "redact"}


class Wrong(Exception):
    """What is wrong, and in which line."""


def canonical(value):
    """RFC 8785, for what a log holds: texts, integers, lists, objects, true, false, null."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        raise Wrong("holds a number that is not whole")
    return json.dumps(value, ensure_ascii=False)


class Tree:
    """The Merkle tree of RFC 9162: the roots of its complete subtrees, largest first."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def add(self, leaf):
        node, size = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        while size & 1:
            node, size = hashlib.sha256(b"\x01" + self.peaks.pop() + node).digest(), size >> 1
        self.peaks.append(node)
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        node = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            node = hashlib.sha256(b"\x01" + left + node).digest()
        return node


class Log:
    """A log as it is read: the tree, the versions that stand, and what is still to be explained."""

    def __init__(self):
        self.tree = Tree()
        self.moment = ""
        self.live = {}  # (kind, key) -> (entry, record)
        self.ever = set()
        self.empty, self.redacted = set(), set()

    def line(self, text):
        """Take in one line; raise Wrong."""
        entry = json.loads(text)
        number, header, payload = entry["number"], entry["header"], entry["payload"]
        if number != self.tree.size + 1:
            raise Wrong(f"is entry {number} where {self.tree.size + 1} is due")
        head = json.loads(header)
        if canonical(head) != header:
            raise Wrong("its header is not canonical")
        if head["format"] != 1:
            raise Wrong(f"is of format {head['format']}, which this reader does not know")
        if head["recorded_at"] < self.moment:
            raise Wrong("goes back in time")
        self.moment = head["recorded_at"]
        self.tree.add(header.encode())
        if payload is None:
            self.empty.add(number)
            return
        salt = base64.b64decode(entry["salt"])
        if hashlib.sha256(salt + payload.encode()).hexdigest() != head["digest"]:
            raise Wrong("its payload does not give the digest in its header")
        said = json.loads(payload)
        if canonical(said) != payload:
            raise Wrong("its payload is not canonical")
        self.replay(number, said)

    def replay(self, number, said):
        """Let an entry do what it says."""
        action, what = said["action"], (said["kind"], said["key"])
        if action not in ACTIONS:
            raise Wrong(f"has the action {action}, which this reader does not know")
        if action == "redact":
            self.redacted.update(said["entries"])
            self.ever.add(what)
            return
        if action == "record":
            if what in self.ever:
                raise Wrong(f"begins {what[0]} {what[1]} a second time")
        elif self.live.pop(what, (None,))[0] != said["replaces"]:
            raise Wrong(f"does not replace the version of {what[0]} {what[1]} that stands")
        self.ever.add(what)
        if action != "withdraw":
            self.live[what] = number, said["record"]

    def end(self):
        """What only the whole log tells."""
        if self.empty != self.redacted:
            odd = min(self.empty ^ self.redacted)
            raise Wrong(f"entry {odd} is empty and not redacted, or redacted and not empty")


def main():
    log, number = Log(), 0
    try:
        for number, line in enumerate(sys.stdin.buffer, 1):  # noqa: B007
            log.line(line)
        log.end()
    except Wrong as wrong:
        sys.exit(f"line {number}: {wrong}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"line {number}: is no entry of a log ({type(error).__name__}: {error})")
    if "--records" in sys.argv:
        for (kind, key), (_, record) in log.live.items():
            print(json.dumps({"kind": kind, "key": key, **record}, ensure_ascii=False))
    else:
        print(f"{log.tree.size} entries, {len(log.live)} records, {len(log.empty)} redacted")
        print(f"root {log.tree.root().hex()}")


if __name__ == "__main__":
    main()
