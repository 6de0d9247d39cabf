"""What a ledger is made of in PostgreSQL: tables, search index, the triggers of its log, and who may what.

Every text is compared sign by sign (collation ``C``), as in a file. Nothing a person wrote is sampled for
the planner's statistics, where a redaction would not find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sqlalchemy import BLOB, REAL, Index, Integer, Table, Text
from sqlalchemy.ext.compiler import compiles

from claimledger.ledger.tables import ENTRY, PENDING_SCRUB, VIEWS

TYPES: dict[type, str] = {
    Integer: "bigint",
    Text: "text",
    REAL: "double precision",
    BLOB: "bytea",
}
"""Column types, as PostgreSQL names them."""

HEAD = "head"
"""The table of one row that says what this is, and that a writer locks."""

FOUND = """(CASE WHEN octet_length(words) > 500000 THEN array_to_tsvector('{*}')
ELSE array_to_tsvector(string_to_array(words, ' ')) END)"""
"""What a record's words are found by. A vector holds a megabyte: what has more is always looked at."""


@compiles(REAL, "postgresql")
def _real(*_: object, **__: object) -> str:
    return "DOUBLE PRECISION"


@compiles(BLOB, "postgresql")
def _bytes(*_: object, **__: object) -> str:
    return "BYTEA"


@compiles(Integer, "postgresql")
def _integer(*_: object, **__: object) -> str:
    return "BIGINT"


STANDING = """
DECLARE place bigint := 0;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT h.layout INTO STRICT layout FROM {schema}.head AS h FOR NO KEY UPDATE;
  SELECT coalesce(max(e.number), 0) INTO size FROM {schema}.entry AS e;
  SELECT e.header INTO header FROM {schema}.entry AS e WHERE e.number = size;
  peaks := '';
  FOR level IN REVERSE 40..0 LOOP
    IF (size >> level) & 1 = 1 THEN
      place := place + (1::bigint << level);
      peaks := peaks || (SELECT substr(e.nodes, level * 32 + 1, 32) FROM {schema}.entry AS e
                         WHERE e.number = place);
    END IF;
  END LOOP;
END"""
"""Locks the head and tells where the log ends, in one answer: what a writer must know first.

The commit does not wait for the disk, which is waited for behind it: see ``Talk.commit``.
Each statement in it sees what others committed while the lock was waited for.
"""

SEQUENCE = """
DECLARE
  held bigint; size bigint; level integer; node bytea; header text;
  numbers bigint[]; moved text[]; nodes bytea[];
BEGIN
  IF NOT alone THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  SELECT h.layout INTO STRICT held FROM {schema}.head AS h FOR NO KEY UPDATE;
  SELECT coalesce(max(e.number), 0) INTO size FROM {schema}.entry AS e;
  IF held <> layout
    OR EXISTS (SELECT FROM {schema}.history AS h WHERE h.key = ANY (unused))
    OR EXISTS (
      SELECT FROM unnest(kinds, keys) AS a (kind, key) WHERE NOT EXISTS (
        SELECT FROM {schema}.history AS h WHERE h.key = a.key AND h.kind = a.kind
        AND h.until IS NULL AND h.action IN ('record', 'amend')
      )
    ) THEN
    RAISE EXCEPTION 'what was assumed is not so' USING ERRCODE = 'serialization_failure';
  END IF;
  shift := size;
  SELECT greatest(moment, e.header::json ->> 'recorded_at' COLLATE "C") INTO later
  FROM {schema}.entry AS e WHERE e.number = size;
  later := coalesce(later, moment);
  FOR place IN 1 .. cardinality(headers) LOOP
    size := size + 1;
    header := replace(headers[place], moment, later);
    node := sha256('\\x00'::bytea || convert_to(header, 'UTF8'));
    numbers[place] := size;
    moved[place] := header;
    nodes[place] := node;
    level := 0;
    WHILE (size >> level) & 1 = 0 LOOP
      held := size - (1::bigint << level);
      node := sha256('\\x01'::bytea || CASE
        WHEN held > shift THEN substr(nodes[held - shift], level * 32 + 1, 32)
        ELSE (SELECT substr(e.nodes, level * 32 + 1, 32) FROM {schema}.entry AS e WHERE e.number = held)
      END || node);
      nodes[place] := nodes[place] || node;
      level := level + 1;
    END LOOP;
  END LOOP;
  INSERT INTO {schema}.entry SELECT * FROM unnest(numbers, moved, payloads, salts, nodes);
END"""
"""Adds new records' entries to the log, where what they depend on is so: see ``Assumed``.

They come numbered from 1. Returns by how much their numbers move, and the time they bear: never before that
of the entry in front. The tree is that of RFC 6962, as in :mod:`claimledger.ledger.tree`.
"""

CALLED = {
    "standing": ("OUT layout bigint, OUT size bigint, OUT header text, OUT peaks bytea", STANDING),
    "sequence": (
        "layout bigint, alone boolean, moment text, unused text[], kinds text[], keys text[], "
        "headers text[], payloads text[], salts bytea[], OUT shift bigint, OUT later text",
        SEQUENCE,
    ),
}
"""The functions that writers call: what they take and give, and what they do."""

TRIGGERS = {
    "entry_is_next": ("AFTER INSERT", "REFERENCING NEW TABLE AS added FOR EACH STATEMENT"),
    "entry_stays": ("BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT"),
    "entry_is_only_redacted": ("BEFORE UPDATE", "FOR EACH ROW"),
}
"""The triggers that keep the log append-only, each with a function of its name."""

FUNCTIONS = {
    "entry_is_next": """
DECLARE lowest bigint; highest bigint; many bigint;
BEGIN
  SELECT min(number), max(number), count(*) INTO lowest, highest, many FROM added;
  IF many > 0 AND NOT (
    highest - lowest + 1 = many
    AND highest = (SELECT max(number) FROM {schema}.entry)
    AND lowest = coalesce((SELECT max(number) FROM {schema}.entry WHERE number < lowest), 0) + 1
  ) THEN
    RAISE EXCEPTION 'the log is append-only: an entry takes the next number';
  END IF;
  IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class
                                    WHERE oid = '{schema}.entry'::regclass), 'MEMBER') THEN
    IF EXISTS (SELECT 1 FROM added WHERE payload::json ->> 'recorded_by' IS DISTINCT FROM session_user) THEN
      RAISE EXCEPTION 'nobody writes as another: recorded_by must be %', session_user
      USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT 1 FROM added WHERE payload IS NULL OR payload::json ->> 'action' <> 'record'
               OR payload::json ->> 'kind' = 'disposition')
      AND NOT has_column_privilege(session_user, '{schema}.history', 'until', 'UPDATE') THEN
      RAISE EXCEPTION '% may record and not change', session_user
      USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
      SELECT FROM (
        SELECT *, header::json ->> 'recorded_at' COLLATE "C" AS moment,
          encode(sha256(salt || convert_to(payload, 'UTF8')), 'hex') AS digest FROM added
      ) AS a
      WHERE a.header IS DISTINCT FROM
        '{{"digest":"' || a.digest || '","format":1,"recorded_at":"' || a.moment || '"}}'
      OR a.moment !~
        '^[0-9]{{4}}(-[0-9]{{2}}){{2}}T[0-9]{{2}}(:[0-9]{{2}}){{2}}[.][0-9]{{6}}Z$'
      OR a.moment < (SELECT b.header::json ->> 'recorded_at' COLLATE "C"
                     FROM {schema}.entry AS b WHERE b.number = a.number - 1)
    ) THEN
      RAISE EXCEPTION 'the entry does not fit the log: its header is not its payload''s, or goes back in time'
      USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
      SELECT FROM (
        SELECT *, 64 - length(rtrim(number::bit(64)::text, '0')) AS levels FROM added
      ) AS a, generate_series(0, a.levels) AS level
      WHERE octet_length(a.nodes) <> 32 * (1 + a.levels)
      OR substr(a.nodes, level * 32 + 1, 32) IS DISTINCT FROM sha256(CASE level
        WHEN 0 THEN '\\x00'::bytea || convert_to(a.header, 'UTF8')
        ELSE '\\x01'::bytea || (
          SELECT substr(b.nodes, (level - 1) * 32 + 1, 32) FROM {schema}.entry AS b
          WHERE b.number = a.number - (1::bigint << (level - 1))
        ) || substr(a.nodes, (level - 1) * 32 + 1, 32) END)
    ) THEN
      RAISE EXCEPTION 'the entry does not fit the log: its hashes are not those of the tree'
      USING ERRCODE = 'insufficient_privilege';
    END IF;
  END IF;
  RETURN NULL;
END""",
    "entry_stays": """
BEGIN
  RAISE EXCEPTION 'the log is append-only: no entry is deleted';
END""",
    "entry_is_only_redacted": """
BEGIN
  IF NEW.number = OLD.number AND NEW.header = OLD.header AND NEW.nodes = OLD.nodes
    AND NEW.payload IS NULL AND NEW.salt IS NULL
    AND EXISTS (
      SELECT 1 FROM {schema}.entry AS newest,
        json_array_elements_text(newest.payload::json -> 'entries') AS listed
      WHERE newest.number = (SELECT max(number) FROM {schema}.entry)
      AND newest.payload::json ->> 'action' = 'redact' AND listed::bigint = OLD.number
    ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the log is append-only: only a redaction empties a payload';
END""",
}


def type_of(column: object) -> str:
    """Return a column's type, as PostgreSQL names it."""
    return TYPES[type(column.type)]  # type: ignore[attr-defined]


def indexes_of(table: Table) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield a table's indexes: name, columns, and the condition they have, if any."""
    for index in sorted(table.indexes, key=lambda held: str(held.name)):
        columns = tuple(column.name for column in index.columns)
        yield str(index.name), columns, _condition(index)


def _condition(index: Index) -> str:
    where = index.dialect_options["sqlite"]["where"]
    return "" if where is None else f"({str(where).rpartition('.')[2]})"


def tables_made() -> tuple[Table, ...]:
    """Return the tables that records and log are in, in order."""
    return (ENTRY, *VIEWS.values(), PENDING_SCRUB)


@lru_cache
def making(schema: str) -> tuple[str, ...]:
    """The statements that make a ledger in an empty schema, in order."""
    return (
        f"CREATE TABLE {schema}.{HEAD} (held boolean PRIMARY KEY CHECK (held), "
        "program text NOT NULL, layout bigint NOT NULL)",
        *_table(schema, ENTRY),
        *guarding(schema),
        *viewing(schema),
    )


@lru_cache
def viewing(schema: str) -> tuple[str, ...]:
    """The statements that make the views and their indexes, in order."""
    made = [line for table in (*VIEWS.values(), PENDING_SCRUB) for line in _table(schema, table)]
    made.append(f"CREATE INDEX search ON {schema}.search_words USING gin ({FOUND})")
    made.append(f"ALTER INDEX {schema}.search ALTER COLUMN 1 SET STATISTICS 0")
    return tuple(made)


def guarding(schema: str) -> Iterator[str]:
    """Yield the statements that make the log append-only, and what writers call."""
    for name, (given, body) in CALLED.items():
        yield (
            f"CREATE FUNCTION {schema}.{name}({given}) LANGUAGE plpgsql AS $${body.format(schema=schema)}$$"
        )
    for name, (when, how) in TRIGGERS.items():
        body = FUNCTIONS[name].format(schema=schema)
        yield (
            f"CREATE FUNCTION {schema}.{name}() RETURNS trigger LANGUAGE plpgsql "
            f"SET search_path = pg_catalog, pg_temp AS $${body}$$"
        )
        function = f"EXECUTE FUNCTION {schema}.{name}()"
        yield f"CREATE TRIGGER {name} {when} ON {schema}.entry {how} {function}"


def _table(schema: str, table: Table) -> Iterator[str]:
    columns = []
    for column in table.columns:
        needed = "" if column.nullable else " NOT NULL"
        collation = ' COLLATE "C"' if isinstance(column.type, Text) else ""
        columns.append(f"{quoted(column.name)} {type_of(column)}{collation}{needed}")
    key = ", ".join(quoted(column.name) for column in table.primary_key.columns)
    name = f"{schema}.{quoted(table.name)}"
    yield f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({key}))"
    for index, held, condition in indexes_of(table):
        where = f" WHERE {condition}" if condition else ""
        yield f"CREATE INDEX {index} ON {name} ({', '.join(map(quoted, held))}){where}"
    for column in table.columns:
        if isinstance(column.type, Text) and column.name not in _SAMPLED:
            yield f"ALTER TABLE {name} ALTER COLUMN {quoted(column.name)} SET STATISTICS 0"


_SAMPLED = {"kind", "key", "from", "to_key", "to_kind", "type", "field", "action", "replaced_by"}
"""Texts that the planner may know of: none is a person's own words."""


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
