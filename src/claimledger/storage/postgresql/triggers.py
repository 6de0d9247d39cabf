"""The triggers that keep a log append-only and lawful in PostgreSQL, whatever program writes to it.

A user with write privileges could otherwise write rows that block the entries of others.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from claimledger.log.entry import FORMAT, SALT
from claimledger.records.kinds import KINDS
from claimledger.storage.postgresql.log_rules import AHEAD_MINUTES
from claimledger.storage.tables import VIEWS


class Trigger(NamedTuple):
    """A trigger of a table: its function's name, when it is called, and on what."""

    table: str
    function: str
    when: str
    how: str
    sort: str = "TRIGGER"


CHECKED = "claimledger.checked"
"""The setting by which a program says what it has checked entries against: see ``Checked``."""


CLOCK_IS_RIGHT = "claimledger.clock_is_right"
"""The setting by which who keeps the ledger has times written that are ahead of the server's clock."""


class Checked(StrEnum):
    """What the server need not check where the program of who keeps the ledger has checked it.

    What follows what is always checked: the program knows that from views, which other users can write.
    """

    PAYLOADS = "payloads"
    """Each entry by itself."""

    LOG = "log"
    """Entries of a log created elsewhere, which have other names and times, and may be redacted."""


OF_ORDER = ("begins-once", "replaces", "fixed", "replaced-by", "redacts-own")
"""The rules of what may follow what."""

_ADDED = "REFERENCING NEW TABLE AS added FOR EACH STATEMENT"

TRIGGERS = {
    "entry_waits": Trigger("entry", "entry_waits", "BEFORE INSERT", "FOR EACH STATEMENT"),
    "entry_is_next": Trigger("entry", "entry_is_next", "AFTER INSERT", _ADDED),
    "entry_has_history": Trigger(
        "entry",
        "entry_has_history",
        "AFTER INSERT",
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "WHEN ((NOT has_table_privilege(SESSION_USER, '{schema}.entry'::text, 'DELETE'::text)))",
        "CONSTRAINT TRIGGER",
    ),
    "entry_stays": Trigger(
        "entry", "entry_stays", "BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT"
    ),
    "entry_is_only_redacted": Trigger(
        "entry", "entry_is_only_redacted", "BEFORE UPDATE", "FOR EACH ROW"
    ),
    **{
        f"{name}_is_of_its_entry": Trigger(name, "row_is_of_its_entry", "AFTER INSERT", _ADDED)
        for name in VIEWS
    },
}
"""What keeps the log append-only and lawful, and the views rows of entries that come with them."""

_KINDS = ",".join(KINDS)

FUNCTIONS = {
    # A session that inserts without the program takes the same lock first: it takes no number from others.
    "entry_waits": """
BEGIN
  PERFORM FROM {schema}.head FOR NO KEY UPDATE;
  RETURN NULL;
END""",
    "entry_is_next": f"""
DECLARE
  lowest bigint; highest bigint; many bigint; fault text; line record;
  bound boolean;
  checked text := coalesce(current_setting('{CHECKED}', true), '');
  owner boolean := pg_has_role(session_user, (
    SELECT relowner FROM pg_class WHERE oid = '{{schema}}.entry'::regclass), 'MEMBER');
BEGIN
  SELECT min(number), max(number), count(*) INTO lowest, highest, many FROM added;
  IF many > 0 AND NOT (
    highest - lowest + 1 = many
    AND highest = (SELECT max(number) FROM {{schema}}.entry)
    AND lowest = coalesce((SELECT max(number) FROM {{schema}}.entry WHERE number < lowest), 0) + 1
  ) THEN
    RAISE EXCEPTION 'the log is append-only: an entry takes the next number (rule `number`)';
  END IF;
  IF NOT owner THEN
    checked := '';
  END IF;
  bound := NOT owner OR checked <> '{Checked.LOG}'
    AND current_setting('{CLOCK_IS_RIGHT}', true) IS DISTINCT FROM 'on';
  IF checked <> '{Checked.LOG}' AND EXISTS (
    SELECT FROM added WHERE payload IS NULL OR salt IS NULL OR octet_length(salt) <> {SALT}
  ) THEN
    RAISE EXCEPTION
      'the entry does not fit the log: it has no payload, or no salt of {SALT} bytes (rule `salt`)'
    USING ERRCODE = 'check_violation';
  END IF;
  IF NOT owner THEN
    IF EXISTS (SELECT FROM added WHERE payload::json ->> 'recorded_by' IS DISTINCT FROM session_user) THEN
      RAISE EXCEPTION 'nobody writes as another: recorded_by must be %', session_user
      USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM added WHERE payload::json ->> 'action' <> 'record'
               OR payload::json ->> 'kind' = 'disposition')
      AND NOT has_column_privilege(session_user, '{{schema}}.history', 'ended_by', 'UPDATE') THEN
      RAISE EXCEPTION '% may record and not change', session_user
      USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM added WHERE payload::json ->> 'action' = 'redact') THEN
      RAISE EXCEPTION '% may record and not redact: who keeps the ledger does', session_user
      USING ERRCODE = 'insufficient_privilege';
    END IF;
  END IF;
  FOR line IN
    SELECT *, encode(sha256(salt || convert_to(payload, 'UTF8')), 'hex') AS digest,
      substr(header, length(header) - 28, 27) COLLATE "C" AS moment,
      (SELECT substr(b.header, length(b.header) - 28, 27) COLLATE "C" FROM {{schema}}.entry AS b
       WHERE b.number = added.number - 1) AS before
    FROM added
    -- What records a new key depends on nothing before it, and all entries of one write bear one time.
    WHERE checked = '' OR number = highest OR payload::json ->> 'action' <> 'record' OR (
      SELECT count(*) FROM {{schema}}.entry AS b
      WHERE b.payload::json ->> 'key' = added.payload::json ->> 'key'
      AND b.payload::json ->> 'kind' = added.payload::json ->> 'kind' AND b.number < added.number
    ) > 0
    ORDER BY number
  LOOP
    fault := CASE
      WHEN line.header <>
        '{{"digest":"' || line.digest || '","format":{FORMAT},"recorded_at":"' || line.moment || '"}}'
        THEN 'header'
      WHEN line.moment !~ '^[0-9]{{4}}(-[0-9]{{2}}){{2}}T([01][0-9]|2[0-3])(:[0-5][0-9]){{2}}[.][0-9]{{6}}Z$'
        OR left(line.moment, 4) = '0000' OR {{schema}}.days(left(line.moment, 10)) IS NULL
        OR line.moment < line.before THEN 'time'
      WHEN bound AND line.moment > coalesce(line.before, '')
        AND line.moment::timestamptz > clock_timestamp() + interval '{AHEAD_MINUTES} minutes' THEN 'ahead'
    END;
    IF fault = 'ahead' THEN
      RAISE EXCEPTION
        'the entry does not fit the log: its time % is ahead of this server''s (rule `time`)', line.moment
      USING ERRCODE = 'check_violation';
    END IF;
    IF fault IS NULL AND checked = '' THEN
      fault := {{schema}}.payload_fault(line.number, line.payload);
    END IF;
    IF fault IS NULL AND line.payload IS NOT NULL THEN
      fault := {{schema}}.order_fault(line.number, line.payload);
      -- Entries that a later redaction of the same log has emptied cannot be compared with.
      IF checked = '{Checked.LOG}' AND fault IN ('replaced-by', 'redacts-own') THEN
        fault := NULL;
      END IF;
    END IF;
    IF fault IS NOT NULL THEN
      RAISE EXCEPTION 'the entry does not fit the log: it is not lawful (rule `%`)', fault
      USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  IF checked <> '' THEN
    RETURN NULL;
  END IF;
  IF EXISTS (
    SELECT FROM (
      SELECT *, 64 - length(rtrim(number::bit(64)::text, '0')) AS levels FROM added
    ) AS a, generate_series(0, a.levels) AS level
    WHERE octet_length(a.nodes) <> 32 * (1 + a.levels)
    OR substr(a.nodes, level * 32 + 1, 32) IS DISTINCT FROM sha256(CASE level
      WHEN 0 THEN '\\x00'::bytea || convert_to(a.header, 'UTF8')
      ELSE '\\x01'::bytea || (
        SELECT substr(b.nodes, (level - 1) * 32 + 1, 32) FROM {{schema}}.entry AS b
        WHERE b.number = a.number - (1::bigint << (level - 1))
      ) || substr(a.nodes, (level - 1) * 32 + 1, 32) END)
  ) THEN
    RAISE EXCEPTION 'the entry does not fit the log: its hashes are not those of the tree (rule `nodes`)'
    USING ERRCODE = 'check_violation';
  END IF;
  -- A redaction and what it empties are one: neither is there without the other.
  IF owner AND EXISTS (SELECT FROM added WHERE payload::json ->> 'action' = 'redact') THEN
    UPDATE {{schema}}.entry AS e SET payload = NULL, salt = NULL
    FROM added AS a, json_array_elements_text(a.payload::json -> 'entries') AS listed
    WHERE a.payload::json ->> 'action' = 'redact' AND e.number = listed::bigint;
  END IF;
  RETURN NULL;
END""",
    # Numbers are given out by history: an entry that is not in it would have its number given out again, and
    # nobody could write under it.
    "entry_has_history": f"""
DECLARE recorded text := NEW.payload::json ->> 'key';
BEGIN
  IF NOT EXISTS (
    SELECT FROM {{schema}}.history AS h WHERE h.entry = NEW.number AND h.key = recorded
    AND h.kind = NEW.payload::json ->> 'kind' AND h.action = NEW.payload::json ->> 'action'
    AND h.number IS NOT DISTINCT FROM CASE
      WHEN recorded ~ '^[A-Z]' AND NEW.payload::json ->> 'kind' = ANY ('{{{_KINDS}}}')
      THEN substr(recorded, 2)::bigint
    END
  ) THEN
    RAISE EXCEPTION 'the entry does not fit the ledger: its row of history does not come with it'
    USING ERRCODE = 'check_violation';
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
    -- The old payload stays in the table's pages until the table is rewritten.
    INSERT INTO {schema}.pending_scrub SELECT max(number) FROM {schema}.entry ON CONFLICT DO NOTHING;
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the log is append-only: only a redaction empties a payload';
END""",
    "row_is_of_its_entry": """
BEGIN
  IF NOT pg_has_role(session_user, (SELECT relowner FROM pg_class
                                    WHERE oid = '{schema}.entry'::regclass), 'MEMBER')
    -- One look-up a row: as a join it was planned for a small log, and took longer with each entry.
    AND EXISTS (SELECT FROM added AS a WHERE (
      SELECT e.xmin FROM {schema}.entry AS e WHERE e.number = a.entry
    ) IS DISTINCT FROM pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'a row does not fit the log: it is not of an entry that comes with it'
    USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END""",
}
"""What the functions of triggers do."""
