"""Reads and proves a claimledger log with nothing but Python's standard library.

    claimledger export --log | python read_log.py            checks it, prints its size and root
    claimledger export --log | python read_log.py --records  prints the records that stand, one a line

It was written from docs/log-format.md, and is one way to read a log should claimledger itself be gone. It
holds every rule of that page but `nodes`, whose hashes do not travel with an exported log; an entry that
breaks one is named with the rule.
"""

import base64
import binascii
import datetime
import hashlib
import json
import re
import sys

LARGEST_PAYLOAD = 16 * 1024 * 1024
DEEPEST = 64
HEADER = re.compile(r'\{"digest":"([0-9a-f]{64})","format":1,"recorded_at":"([^"\\]*)"\}')
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}|[A-Z][1-9][0-9]{0,8}")


class Wrong(Exception):
    """Which rule an entry breaks, and how."""

    def __init__(self, rule, what):
        super().__init__(f"{what} (rule `{rule}`)")


# Canonical JSON


def canonical(value, depth=1):
    """RFC 8785, for what a log holds: texts, integers, lists, objects, true, false, null."""
    if isinstance(value, (dict, list)) and depth > DEEPEST:
        raise Wrong("canonical", f"is nested more than {DEEPEST} deep")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        members = (f"{canonical(name)}:{canonical(value[name], depth + 1)}" for name in names)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    if isinstance(value, float) or (type(value) is int and abs(value) >= 2**53):
        raise Wrong("canonical", "holds a number that is not whole, or too large")
    if isinstance(value, str) and "\0" in value:
        raise Wrong("canonical", "holds a NUL character")
    return json.dumps(value, ensure_ascii=False)


def object_of(payload):
    """Return the object that a payload is."""
    try:
        if not isinstance(payload, str) or len(payload.encode()) > LARGEST_PAYLOAD:
            raise ValueError
        value = json.loads(payload)
        if not isinstance(value, dict) or canonical(value) != payload:
            raise ValueError
    except (ValueError, RecursionError):
        raise Wrong("canonical", "its payload is not a canonical JSON object") from None
    return value


# The forms of texts in records


def matches(pattern, flags=re.ASCII):
    compiled = re.compile(pattern, flags)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def is_name(value):
    return (
        isinstance(value, str) and 0 < len(value) <= 1000 and not UNFIT.search(value)
        and not value[0].isspace() and not value[-1].isspace()
    )  # fmt: skip


def is_text(value):
    return isinstance(value, str) and value != ""


is_key = matches(KEY.pattern)
is_name_in_map = matches(r"[a-z][a-z0-9_-]{0,39}")
is_decimal = matches(r"-?(?:0|[1-9][0-9]{0,59})(?:\.[0-9]{1,60})?")


def is_map(value):
    return (
        isinstance(value, dict) and bool(value)
        and all(is_name_in_map(name) and is_text(text) for name, text in value.items())
    )  # fmt: skip


def is_target(value):
    if isinstance(value, dict):
        return list(value) == ["source"] and is_key(value["source"])
    return is_key(value)


DATE = re.compile(
    r"(-?\d{4}|\d{3}X|\d{2}XX|Y-?[1-9]\d{4,8})"
    r"(?:-(\d\d|XX)(?:-(\d\d|XX)"
    r"(?:T(?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:Z|[+-](?:0\d|1[0-4])(?::[0-5]\d)?)?)?)?)?[?~%]?",
    re.ASCII,
)
OPEN = ("", "..")


def day(year, month, day):
    """A number that grows with the day, in any year."""
    cycles = (year - 2000) // 400
    return datetime.date(year - cycles * 400, month, day).toordinal() + cycles * 146097


def last_of(year, month):
    return day(year + month // 12, month % 12 + 1, 1) - 1


def days_of(text):
    """Return the first and the last day of a date without a slash; raise ValueError for no date."""
    match = DATE.fullmatch(text)
    if not match:
        raise ValueError
    year, month, of_month = match.groups()
    if "X" in year:
        if {month, of_month} - {None, "XX"}:
            raise ValueError
        return day(int(year.replace("X", "0")), 1, 1), day(int(year.replace("X", "9")), 12, 31)
    if year[0] == "Y" and month:
        raise ValueError
    number = int(year.lstrip("Y"))
    if month in (None, "XX"):
        if of_month not in (None, "XX"):
            raise ValueError
        return day(number, 1, 1), day(number, 12, 31)
    if 21 <= int(month) <= 24:
        if of_month is not None:
            raise ValueError
        # A winter may end with the February after it.
        return day(number, 1, 1), (last_of(number + 1, 2) if month == "24" else day(number, 12, 31))
    if of_month in (None, "XX"):
        return day(number, int(month), 1), last_of(number, int(month))
    return (day(number, int(month), int(of_month)),) * 2


def is_edtf(text):
    start, slash, end = text.partition("/")
    try:
        if not slash:
            return bool(days_of(start))
        first = None if start in OPEN else days_of(start)
        last = None if end in OPEN else days_of(end)
    except ValueError:
        return False
    return bool(first or last) and not (first and last and first[0] > last[1])


def is_date(value):
    if isinstance(value, dict):
        return (
            set(value) == {"edtf", "printed"} and all(map(is_text, value.values()))
            and len(value["printed"]) < 200 and is_date(value["edtf"])
        )  # fmt: skip
    return isinstance(value, str) and len(value) <= 200 and is_edtf(value)


OPERATION = re.compile(r"(sum|product|difference|ratio|share|growth|count)\(([^()]+)\)")


def is_formula(value):
    match = OPERATION.fullmatch(value) if is_name(value) else None
    if match is None:
        return False
    operation, given = match[1], match[2].split(", ")
    if any(part != part.strip() or "," in part for part in given):
        return False
    if operation == "count":
        limits = [part.partition("=") for part in given[2:]]
        return (
            len(given) > 1 and given[0] in ("claims", "assertions", "places", "sources")
            and is_key(given[1])
            and all(sign and name == name.strip() != "" and text == text.strip() != ""
                    for name, sign, text in limits)
        )  # fmt: skip
    most = 1000 if operation in ("sum", "product") else 2
    inputs = [part.partition("/") for part in given]
    return (1 if most == 1000 else 2) <= len(given) <= most and all(
        is_key(claim) and bool(measure) == bool(slash) and measure == measure.strip()
        for claim, slash, measure in inputs
    )


def one_of(*choices):
    return lambda value: isinstance(value, str) and value in choices


def list_of(form):
    return lambda value: isinstance(value, list) and bool(value) and all(map(form, value))


def object_with(needed, possible, fits=bool):
    """The form of an object with these members, and any that this reader does not know."""

    def form(value):
        return (
            isinstance(value, dict) and needed.keys() <= value.keys()
            and all(test(value[name]) for name, test in {**needed, **possible}.items() if name in value)
            and fits(value)
        )  # fmt: skip

    return form


# The kinds of records


def is_interval(figure):
    low, high, how = figure.get("low"), figure.get("high"), figure.get("qualifier", "exact")
    if low is None and high is None:
        return False
    if (how in ("over", "at least") and low is None) or (
        how in ("under", "at most") and high is None
    ):
        return False
    if low is None or high is None:
        return True
    order = compared(low, high)
    return order < 0 or (order == 0 and how not in ("over", "under"))


def compared(one, other):
    """Return -1, 0 or 1, exactly: as whole numbers, to sixty places behind the point."""
    wholes = []
    for text in (one, other):
        whole, _, places = text.partition(".")
        wholes.append(int(whole + places.ljust(60, "0")))
    return (wholes[0] > wholes[1]) - (wholes[0] < wholes[1])


def is_bounded_and_grounds_were_read(claim):
    return len(claim.get("figures", ())) <= 500 and (
        "grounds" not in claim or not all("via" in citation for citation in claim["citations"])
    )


def ends_fit(link):
    return link["to"] != link["from"] and (
        isinstance(link["to"], str) or link["type"] == "undercuts"
    )


KEYS, NAMES = list_of(is_key), list_of(is_name)
LANGUAGE = matches(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
ADDRESS = matches(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]+")
WIKIDATA = matches(r"Q[1-9][0-9]{0,14}")
SHA256 = matches(r"[0-9a-f]{64}")
MEDIA_TYPE = matches(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(;.*)?")
PARTY_TYPES = "person organisation government medium group unnamed"
SOURCE_TYPES = (
    "article article-journal article-magazine article-newspaper bill book broadcast chapter classic "
    "collection dataset document entry entry-dictionary entry-encyclopedia event figure graphic hearing "
    "interview legal_case legislation manuscript map motion_picture musical_score pamphlet "
    "paper-conference patent performance periodical personal_communication post post-weblog regulation "
    "report review review-book software song speech standard thesis treaty webpage"
)
LINK_TYPES = (
    "contradicts undercuts answers corroborates supports repeats derives_from updates retracts"
)
QUALIFIERS = ("exact", "about", "over", "at least", "under", "at most", "between")

CITATION = object_with(
    {"source": is_key}, {"via": KEYS, "locator": is_text, "quote": is_text, "capture": is_key}
)
FIGURE = object_with(
    {"measure": is_name},
    {"qualifier": one_of(*QUALIFIERS), "low": is_decimal, "high": is_decimal, "unit": is_name,
     "nature": one_of("stock", "total", "flow"), "scope": is_map, "base": is_name,
     "method": is_name, "vintage": is_name, "formula": is_formula},
    is_interval,
)  # fmt: skip
NOTE = {"note": is_text}
KINDS = {
    "party": ("P", object_with(
        {"name": is_name},
        {"type": one_of(*PARTY_TYPES.split()), "aliases": NAMES, "part_of": is_key,
         "wikidata": WIKIDATA, **NOTE})),
    "source": ("S", object_with(
        {"title": is_name},
        {"type": one_of(*SOURCE_TYPES.split()), "authors": NAMES, "publisher": is_key,
         "published": is_date, "accessed": is_date, "removed": is_date, "language": LANGUAGE,
         "url": ADDRESS, "archive_url": ADDRESS, "identifiers": is_map, **NOTE})),
    "subject": ("T", object_with(
        {"label": is_name}, {"aliases": NAMES, "broader": is_key, "wikidata": WIKIDATA, **NOTE})),
    "term": ("V", object_with(
        {"of": is_name_in_map, "label": is_name},
        {"aliases": NAMES, "broader": is_key, "reason": is_text, **NOTE})),
    "claim": ("C", object_with(
        {"statement": is_text, "claimant": KEYS, "subject": is_key, "citations": list_of(CITATION)},
        {"asserted": is_date, "about": is_date, "scope": is_map, "figures": list_of(FIGURE),
         "grounds": one_of("observed", "documents", "testimony", "analysis", "own-act", "unstated"),
         "language": LANGUAGE, **NOTE},
        is_bounded_and_grounds_were_read)),
    "capture": ("K", object_with(
        {"source": is_key},
        {"sha256": SHA256, "media_type": MEDIA_TYPE, "captured_at": is_date, "path": is_name, **NOTE})),
    "link": ("L", object_with(
        {"type": one_of(*LINK_TYPES.split()), "from": is_key, "to": is_target},
        {"basis": one_of("stated", "judged", "computed"), "part": is_name, "reason": is_text,
         "rule": is_name, "citations": list_of(CITATION), **NOTE},
        ends_fit)),
    "review": ("R", object_with(
        {"claim": is_key},
        {"reviewer": is_key, "reviewed": is_date, "rating": is_name, "scale": is_name,
         "summary": is_text, "url": ADDRESS, **NOTE})),
    "decision": ("D", object_with(
        {"rule": is_name, "outcome": one_of("accepted", "declined"), "about": NAMES},
        {"evidence": is_name, "link": is_name, "reason": is_text, **NOTE})),
    "disposition": ("O", object_with(
        {"dispute": is_key, "reason": is_text,
         "ending": one_of("resolved", "conceded", "definition", "period", "dormant")}, NOTE)),
}  # fmt: skip
FIXED = {"link": ("type", "from", "to"), "disposition": ("dispute",)}


def is_record(kind, record):
    return kind not in KINDS or (
        "key" not in record and "kind" not in record and KINDS[kind][1](record)
    )


# Entries

MEMBERS = {  # those an action must have, those it may have
    "record": ({"record"}, {"reason"}),
    "amend": ({"record", "replaces"}, {"reason"}),
    "withdraw": ({"replaces", "reason"}, {"replaced_by"}),
    "redact": ({"entries", "reason"}, {"replaced_by"}),
}
OF_ACTIONS = set().union(*(needed | possible for needed, possible in MEMBERS.values()))


def is_before(value, number):
    return type(value) is int and 0 < value < number


def is_key_of(kind, value):
    numbered = is_key(value) and value[0].isupper()
    return is_key(value) and not (numbered and kind in KINDS and value[0] != KINDS[kind][0])


def check_members(number, said):
    """Hold a payload to the rules `members`, `action`, `kind`, `key` and `record`."""
    if not all(
        isinstance(said.get(name), str) for name in ("action", "kind", "key", "recorded_by")
    ):
        raise Wrong("members", "lacks a text that every payload has")
    action, kind = said["action"], said["kind"]
    if action not in MEMBERS:
        raise Wrong("action", f"has the action {action}, which this reader does not know")
    if not KIND.fullmatch(kind):
        raise Wrong("kind", f"has the kind {kind!r}")
    needed, possible = MEMBERS[action]
    entries = said.get("entries", [1, 2])
    if (
        not needed <= said.keys() & OF_ACTIONS <= needed | possible
        or not said["recorded_by"].strip()
        or not isinstance(said.get("reason", ""), str)
        or not isinstance(said.get("record", {}), dict)
        or ("replaces" in said and not is_before(said["replaces"], number))
        or not isinstance(entries, list)
        or len(entries) < 2
        or ("entries" in said and not all(is_before(entry, number) for entry in entries))
        or any(left >= right for left, right in zip(entries, entries[1:]))  # noqa: B905, RUF007
    ):
        raise Wrong("members", f"does not have the members of an entry that says {action}")
    if not all(is_key_of(kind, said[name]) for name in ("key", "replaced_by") if name in said):
        raise Wrong("key", f"has a key that is none of a {kind}")
    if "record" in said and not is_record(kind, said["record"]):
        raise Wrong("record", f"has a record that is not a {kind}")


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
        self.live = {}  # (kind, key): the entry and the record of the version that stands
        self.entries = {}  # (kind, key): its entries that can be read
        self.ended = {}  # (kind, key): the action of the entry that withdrew or redacted it
        self.empty = set()  # entries without a payload that no redaction has listed yet
        self.presumed = set()  # records that must turn out to be redacted

    def line(self, text):
        """Take in one line; raise Wrong."""
        try:
            entry = json.loads(text)
            number, header, payload = entry["number"], entry["header"], entry["payload"]
            salt = None if entry["salt"] is None else base64.b64decode(entry["salt"], validate=True)
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            raise Wrong("members", "is not a line of an exported log") from None
        if type(number) is not int or number != self.tree.size + 1:
            raise Wrong("number", f"is entry {number} where {self.tree.size + 1} is due")
        digest = self.header(header)
        self.tree.add(header.encode())
        if payload is None and salt is None:
            self.empty.add(number)
            return
        if salt is None or len(salt) != 16:
            raise Wrong("salt", "does not have a salt of 16 bytes")
        said = object_of(payload)
        if hashlib.sha256(salt + payload.encode()).hexdigest() != digest:
            raise Wrong("digest", "its payload does not give the digest in its header")
        check_members(number, said)
        self.follow(number, said)

    def header(self, header):
        """Return the digest in a header; move on to its time."""
        match = HEADER.fullmatch(header) if isinstance(header, str) else None
        if match is None:
            try:
                version = json.loads(header)["format"]
            except (ValueError, KeyError, TypeError, RecursionError):
                version = 1
            raise Wrong("header" if version == 1 else "format", "its header is not one of format 1")
        digest, moment = match.groups()
        try:
            if not MOMENT.fullmatch(moment) or moment < self.moment:
                raise ValueError
            datetime.datetime.fromisoformat(moment[:-1])
        except ValueError:
            raise Wrong("time", f"has the time {moment!r} after {self.moment!r}") from None
        self.moment = moment
        return digest

    def follow(self, number, said):
        """Have an entry do what it says, if it may follow what was before it."""
        what, action = (said["kind"], said["key"]), said["action"]
        name = " ".join(what)
        if action == "redact":
            self.redact(said, what, name)
            return
        if action == "record":
            if what in self.entries or what in self.ended:
                raise Wrong("begins-once", f"records {name} a second time")
        else:
            if self.live.get(what, (None,))[0] != said["replaces"]:
                raise Wrong("replaces", f"does not replace the version of {name} that stands")
            if "replaced_by" in said:
                self.check_replacement(said["kind"], said["key"], said["replaced_by"])
            if action == "amend":
                before = self.live[what][1]
                if any(said["record"].get(f) != before.get(f) for f in FIXED.get(said["kind"], ())):
                    raise Wrong("fixed", f"changes a field of {name} that is fixed")
            del self.live[what]
        self.entries.setdefault(what, []).append(number)
        if action == "withdraw":
            self.ended[what] = action
        else:
            self.live[what] = number, said["record"]

    def check_replacement(self, kind, key, other):
        if other != key and (kind, other) in self.live:
            return
        if (
            other == key
            or (kind, other) in self.entries
            or (kind, other) in self.ended
            or not self.empty
        ):
            raise Wrong("replaced-by", f"is replaced by {other}, which does not stand")
        self.presumed.add((kind, other))

    def redact(self, said, what, name):
        """In a log that is read, what a redaction lists is empty by then."""
        listed = set(said["entries"])
        if what in self.entries or what in self.ended or not listed <= self.empty:
            raise Wrong("redacts-own", f"does not list all entries of {name}, and those alone")
        self.ended[what] = "redact"
        self.empty -= listed

    def end(self):
        """What only the whole log tells."""
        if self.empty:
            raise Wrong("emptied", f"entry {min(self.empty)} is empty, and no entry redacts it")
        for kind, key in self.presumed:
            if self.ended.get((kind, key)) != "redact":
                raise Wrong("replaced-by", f"{kind} {key} replaces another and does not stand")


def main():
    log, number = Log(), 0
    try:
        for number, line in enumerate(sys.stdin.buffer, 1):  # noqa: B007
            log.line(line)
        log.end()
    except Wrong as wrong:
        sys.exit(f"line {number}: {wrong}")
    if "--records" in sys.argv:
        for (kind, key), (_, record) in log.live.items():
            print(json.dumps({"kind": kind, "key": key, **record}, ensure_ascii=False))
    else:
        redacted = sum(action == "redact" for action in log.ended.values())
        print(f"{log.tree.size} entries, {len(log.live)} records, {redacted} redacted")
        print(f"root {log.tree.root().hex()}")


if __name__ == "__main__":
    main()
