"""The rules of the log's format, enforced by the server against writers that bypass the program.

The same rules as :mod:`claimledger.log.validate`, with the same names; a test compares the two.
The forms of records come from their declarations. An entry is refused with SQLSTATE 23514
(``check_violation``), before anybody else can see it.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from claimledger.log.entry import DEEPEST, LARGEST_PAYLOAD
from claimledger.records.claim import MOST_FIGURES
from claimledger.records.forms import shapes
from claimledger.records.kinds import KINDS


class Function(NamedTuple):
    """A function of the server's: what it takes and gives, and what it does."""

    parameters: str
    returns: str
    body: str


AHEAD_MINUTES = 5
"""How far an entry's time may run ahead of the server's clock."""

_SPACE = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space without control characters, which no name has anyway."""

_KEY = "^([a-z0-9][a-z0-9-]{0,99}|[A-Z][1-9][0-9]{0,8})$"

_PATTERNS = {
    "key": _KEY,
    "decimal": "^-?(0|[1-9][0-9]{0,59})([.][0-9]{1,60})?$",
    "word": "^[a-z][a-z0-9_-]{0,39}$",
    "language": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$",
    "address": r"^[A-Za-z][A-Za-z0-9+.-]*:[^\u0001-\u0020\u007f]+$",
    "item": "^Q[1-9][0-9]{0,14}$",
    "sha256": "^[0-9a-f]{64}$",
    "media type": "^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(;[^\n]*)?$",
}
"""Forms that a pattern describes. In PostgreSQL's patterns ``$`` matches only the end of the text."""


def _of_each(name: str) -> str:
    return json.dumps(
        {kind: shape[name] for kind, shape in shapes().items()}, separators=(",", ":")
    )


_TOKENS = (
    r'^([][{}:,]|"([^"\\\u0001-\u001f]|\\["\\bfnrt]|\\u00(0[0-7be-f]|1[0-9a-f]))*"'
    r"|true|false|null|0|-?[1-9][0-9]{0,15})*$"
)
"""A text of nothing but what RFC 8785 lets JSON be written with, without white space."""

SORTED = f"""
DECLARE name text; held json; this text; before text;
BEGIN
  IF depth > {DEEPEST} AND json_typeof(value) IN ('object', 'array') THEN
    RAISE EXCEPTION 'the payload is nested more than {DEEPEST} deep (rule `canonical`)'
    USING ERRCODE = 'check_violation';
  END IF;
  IF json_typeof(value) = 'object' THEN
    FOR name, held IN SELECT * FROM json_each(value) LOOP
      -- Sorted by UTF-16 units, where what lies above U+FFFF comes before what lies between U+E000 and it.
      this := CASE WHEN octet_length(name) = length(name) THEN name ELSE regexp_replace(
        regexp_replace(name, '[\\uE000-\\uFFFF]', U&'\\E001' || '\\&', 'g'),
        '[\\U00010000-\\U0010FFFF]', U&'\\E000' || '\\&', 'g') END;
      IF this COLLATE "C" <= before COLLATE "C" OR (
        json_typeof(held) <> 'string' AND NOT {{schema}}.is_sorted(held, depth + 1)
      ) THEN
        RETURN false;
      END IF;
      before := this;
    END LOOP;
  ELSIF json_typeof(value) = 'array' THEN
    FOR held IN SELECT * FROM json_array_elements(value) LOOP
      IF NOT {{schema}}.is_sorted(held, depth + 1) THEN
        RETURN false;
      END IF;
    END LOOP;
  ELSIF json_typeof(value) = 'number' THEN
    RETURN abs(value::text::numeric) < 9007199254740992;
  END IF;
  RETURN true;
END"""
"""Whether each object's names are in order, and each once; and the numbers are ones that the format knows."""

DAYS = r"""
DECLARE m text[]; year bigint; month integer; day integer; last integer; leap boolean;
BEGIN
  m := regexp_match(edtf, '^(?:(-?[0-9]{4})|([0-9]{3}X|[0-9]{2}XX)|Y(-?[1-9][0-9]{4,8}))'
    '(?:-([0-9]{2}|XX)(?:-([0-9]{2}|XX)'
    '(?:T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:Z|[+-](?:0[0-9]|1[0-4])(?::[0-5][0-9])?)?)?)?)?'
    '[?~%]?$');
  IF m IS NULL THEN
    RETURN NULL;
  ELSIF m[2] IS NOT NULL THEN
    IF m[4] <> 'XX' OR m[5] <> 'XX' THEN
      RETURN NULL;
    END IF;
    RETURN ARRAY[
      replace(m[2], 'X', '0')::bigint * 10000 + 101, replace(m[2], 'X', '9')::bigint * 10000 + 1231
    ];
  ELSIF m[3] IS NOT NULL AND m[4] IS NOT NULL THEN
    RETURN NULL;
  END IF;
  year := coalesce(m[1], m[3])::bigint;
  IF m[4] IS NULL OR m[4] = 'XX' THEN
    IF m[5] <> 'XX' THEN
      RETURN NULL;
    END IF;
    RETURN ARRAY[year * 10000 + 101, year * 10000 + 1231];
  END IF;
  month := m[4]::integer;
  IF month BETWEEN 21 AND 24 THEN
    IF m[5] IS NOT NULL THEN
      RETURN NULL;
    ELSIF month < 24 THEN
      RETURN ARRAY[year * 10000 + 101, year * 10000 + 1231];
    END IF;
    leap := (year + 1) % 4 = 0 AND ((year + 1) % 100 <> 0 OR (year + 1) % 400 = 0);
    RETURN ARRAY[year * 10000 + 101, (year + 1) * 10000 + CASE WHEN leap THEN 229 ELSE 228 END];
  ELSIF month NOT BETWEEN 1 AND 12 THEN
    RETURN NULL;
  END IF;
  leap := year % 4 = 0 AND (year % 100 <> 0 OR year % 400 = 0);
  last := CASE WHEN month = 2 THEN CASE WHEN leap THEN 29 ELSE 28 END
               WHEN month IN (4, 6, 9, 11) THEN 30 ELSE 31 END;
  IF m[5] IS NULL OR m[5] = 'XX' THEN
    RETURN ARRAY[year * 10000 + month * 100 + 1, year * 10000 + month * 100 + last];
  END IF;
  day := m[5]::integer;
  IF day NOT BETWEEN 1 AND last THEN
    RETURN NULL;
  END IF;
  RETURN ARRAY[year * 10000 + month * 100 + day, year * 10000 + month * 100 + day];
END"""
"""The first and the last day of a date, as numbers that grow with the day; null for no date."""

EDTF = """
DECLARE ends text[]; low bigint[]; high bigint[];
BEGIN
  IF length(edtf) > 200 THEN
    RETURN false;
  ELSIF position('/' IN edtf) = 0 THEN
    RETURN {schema}.days(edtf) IS NOT NULL;
  END IF;
  ends := ARRAY[split_part(edtf, '/', 1), substr(edtf, position('/' IN edtf) + 1)];
  low := {schema}.days(ends[1]);
  high := {schema}.days(ends[2]);
  RETURN (low IS NOT NULL OR ends[1] IN ('', '..')) AND (high IS NOT NULL OR ends[2] IN ('', '..'))
    AND (low IS NOT NULL OR high IS NOT NULL) AND (low[1] > high[2]) IS NOT TRUE;
END"""

FORMULA = f"""
DECLARE m text[]; parts text[]; edges text := '^[{_SPACE}]|[{_SPACE}]$';
BEGIN
  m := regexp_match(formula, '^(sum|product|difference|ratio|share|growth|count)[(]([^()]+)[)]$');
  parts := string_to_array(m[2], ', ');
  IF m IS NULL OR EXISTS (SELECT FROM unnest(parts) AS part WHERE part ~ edges OR part ~ ',') THEN
    RETURN false;
  ELSIF m[1] = 'count' THEN
    RETURN cardinality(parts) > 1 AND parts[1] IN ('claims', 'assertions', 'places', 'sources')
      AND parts[2] ~ '{_KEY}' AND NOT EXISTS (
        SELECT FROM unnest(parts[3:]) AS part WHERE position('=' IN part) < 2
        OR split_part(part, '=', 1) ~ edges OR substr(part, position('=' IN part) + 1) ~ edges
        OR substr(part, position('=' IN part) + 1) = '');
  END IF;
  RETURN CASE WHEN m[1] IN ('sum', 'product') THEN cardinality(parts) BETWEEN 1 AND 1000
              ELSE cardinality(parts) = 2 END
    AND NOT EXISTS (
      SELECT FROM unnest(parts) AS part WHERE split_part(part, '/', 1) !~ '{_KEY}'
      OR (position('/' IN part) > 0 AND (substr(part, position('/' IN part) + 1) = ''
          OR substr(part, position('/' IN part) + 1) ~ edges)));
END"""

FITS = f"""
DECLARE held text; name text;
BEGIN
  IF form LIKE 'list of %' THEN
    name := substr(form, 9);
    RETURN jsonb_typeof(value) = 'array' AND jsonb_array_length(value) > 0
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(value) AS item WHERE NOT {{schema}}.fits(item, name));
  ELSIF form IN ('figure', 'citation') THEN
    RETURN {{schema}}.is_of(value, form);
  ELSIF form = 'map' THEN
    RETURN jsonb_typeof(value) = 'object' AND value <> '{{}}' AND NOT EXISTS (
      SELECT FROM jsonb_each(value) AS m
      WHERE m.key !~ '^[a-z][a-z0-9_-]{{0,39}}$' OR NOT {{schema}}.fits(m.value, 'text'));
  ELSIF form = 'target' AND jsonb_typeof(value) = 'object' THEN
    RETURN value - 'source' = '{{}}' AND value ? 'source' AND {{schema}}.fits(value -> 'source', 'key');
  ELSIF form = 'date' AND jsonb_typeof(value) = 'object' THEN
    RETURN value - 'edtf' - 'printed' = '{{}}' AND value ?& ARRAY['edtf', 'printed']
      AND {{schema}}.fits(value -> 'printed', 'text') AND length(value ->> 'printed') < 200
      AND jsonb_typeof(value -> 'edtf') = 'string' AND {{schema}}.is_edtf(value ->> 'edtf');
  ELSIF jsonb_typeof(value) <> 'string' THEN
    RETURN false;
  END IF;
  held := value #>> '{{}}';
  RETURN CASE form
    WHEN 'text' THEN held <> ''
    WHEN 'name' THEN length(held) BETWEEN 1 AND 1000
      AND held !~ '[\\u0001-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]'
      AND held !~ '^[{_SPACE}]|[{_SPACE}]$'
    WHEN 'date' THEN {{schema}}.is_edtf(held)
    WHEN 'formula' THEN {{schema}}.fits(value, 'name') AND {{schema}}.is_formula(held)
    WHEN 'target' THEN held ~ '{_KEY}'
    {" ".join(f"WHEN '{form}' THEN held ~ '{pattern}'" for form, pattern in _PATTERNS.items())}
    ELSE left(form, 1) = '[' AND form::jsonb @> value
  END;
END"""
"""Whether a value has a form; a form that begins with a bracket lists the texts that it may be."""

IS_OF = f"""
DECLARE
  shape jsonb := '{json.dumps(shapes(), separators=(",", ":"))}'::jsonb -> kind;
  low numeric; high numeric; qualifier text;
BEGIN
  IF jsonb_typeof(record) <> 'object' OR NOT (
    record ?& ARRAY(SELECT jsonb_array_elements_text(shape -> 'needed'))
  ) OR EXISTS (
    SELECT FROM jsonb_each(record) AS m WHERE shape -> 'fields' ? m.key
    AND NOT {{schema}}.fits(m.value, shape -> 'fields' ->> m.key)
  ) THEN
    RETURN false;
  ELSIF kind NOT IN ('figure', 'citation') AND record ?| ARRAY['key', 'kind'] THEN
    RETURN false;
  ELSIF kind = 'figure' THEN
    low := record ->> 'low';
    high := record ->> 'high';
    qualifier := coalesce(record ->> 'qualifier', 'exact');
    RETURN (low IS NOT NULL OR high IS NOT NULL) AND (low > high) IS NOT TRUE
      AND NOT (qualifier IN ('over', 'at least') AND low IS NULL)
      AND NOT (qualifier IN ('under', 'at most') AND high IS NULL)
      AND (qualifier IN ('over', 'under') AND low = high) IS NOT TRUE;
  ELSIF kind = 'claim' THEN
    RETURN (jsonb_array_length(record -> 'figures') > {MOST_FIGURES}) IS NOT TRUE
      AND (NOT record ? 'grounds' OR EXISTS (
        SELECT FROM jsonb_array_elements(record -> 'citations') AS citation WHERE NOT citation ? 'via'));
  ELSIF kind = 'link' THEN
    RETURN record -> 'to' <> record -> 'from'
      AND (jsonb_typeof(record -> 'to') = 'string' OR record ->> 'type' = 'undercuts');
  END IF;
  RETURN true;
END"""
"""Whether an object has the fields of a kind or part, each in its form, and what must hold between them."""

_LETTERS = json.dumps({kind: model.letter for kind, model in KINDS.items()})

PAYLOAD_FAULT = f"""
DECLARE
  told jsonb; action text; kind text; record jsonb; needed text[]; possible text[]; entries jsonb;
  letters jsonb := '{_LETTERS}';
BEGIN
  IF octet_length(payload) > {LARGEST_PAYLOAD} THEN
    RETURN 'canonical';
  END IF;
  told := payload::jsonb;
  IF jsonb_typeof(told) <> 'object' OR payload !~ '{_TOKENS}'
    OR NOT {{schema}}.is_sorted(payload::json, 1) THEN
    RETURN 'canonical';
  ELSIF EXISTS (
    SELECT FROM unnest(ARRAY['action', 'kind', 'key', 'recorded_by']) AS name
    WHERE jsonb_typeof(told -> name) IS DISTINCT FROM 'string'
  ) THEN
    RETURN 'members';
  END IF;
  action := told ->> 'action';
  kind := told ->> 'kind';
  record := told -> 'record';
  entries := told -> 'entries';
  CASE action
    WHEN 'record' THEN needed := ARRAY['record']; possible := ARRAY['reason'];
    WHEN 'amend' THEN needed := ARRAY['record', 'replaces']; possible := ARRAY['reason'];
    WHEN 'withdraw' THEN needed := ARRAY['replaces', 'reason']; possible := ARRAY['replaced_by'];
    WHEN 'redact' THEN needed := ARRAY['entries', 'reason']; possible := ARRAY['replaced_by'];
    ELSE RETURN 'action';
  END CASE;
  IF kind !~ '^[a-z][a-z0-9-]{{0,39}}$' THEN
    RETURN 'kind';
  ELSIF NOT told ?& needed
    OR EXISTS (SELECT FROM unnest(ARRAY['record', 'replaces', 'reason', 'replaced_by', 'entries']) AS name
               WHERE told ? name AND name <> ALL (needed || possible))
    OR (told ->> 'recorded_by') !~ '[^\\u0009-\\u000d\\u001c-\\u001f\\u0085{_SPACE}]'
    OR (told ? 'reason' AND jsonb_typeof(told -> 'reason') <> 'string')
    OR jsonb_typeof(record) <> 'object'
    OR (told ? 'replaces' AND NOT {{schema}}.is_before(told -> 'replaces', number))
    OR jsonb_typeof(entries) <> 'array' THEN
    RETURN 'members';
  ELSIF entries IS NOT NULL AND (jsonb_array_length(entries) < 2 OR EXISTS (
    SELECT FROM jsonb_array_elements(entries) AS listed WHERE NOT {{schema}}.is_before(listed, number)
  )) THEN
    RETURN 'members';
  ELSIF EXISTS (
    SELECT FROM (
      SELECT e.value::text::bigint AS listed, lag(e.value::text::bigint) OVER (ORDER BY e.place) AS before
      FROM jsonb_array_elements(entries) WITH ORDINALITY AS e (value, place)
    ) AS pairs
    WHERE listed <= before
  ) THEN
    RETURN 'members';
  ELSIF EXISTS (
    SELECT FROM unnest(ARRAY['key', 'replaced_by']) AS name WHERE told ? name AND NOT (
      {{schema}}.fits(told -> name, 'key')
      AND (left(told ->> name, 1) !~ '[A-Z]'
           OR left(told ->> name, 1) = coalesce(letters ->> kind, left(told ->> name, 1))))
  ) THEN
    RETURN 'key';
  ELSIF record IS NOT NULL AND coalesce(letters ->> kind, '') <> ''
    AND NOT {{schema}}.is_of(record, kind) THEN
    RETURN 'record';
  END IF;
  RETURN NULL;
END"""
"""The rule that a payload breaks by itself; null where it breaks none."""

IS_BEFORE = """
BEGIN
  RETURN jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,16}$'
    AND value::text::bigint BETWEEN 1 AND number - 1;
END"""

ORDER_FAULT = f"""
DECLARE
  told jsonb; last bigint; before jsonb; prior bigint[]; fixed jsonb;
BEGIN
  IF payload::json ->> 'action' = 'record' THEN
    RETURN CASE WHEN EXISTS (
      SELECT FROM {{schema}}.entry AS e
      WHERE e.payload::json ->> 'key' = order_fault.payload::json ->> 'key'
      AND e.payload::json ->> 'kind' = order_fault.payload::json ->> 'kind' AND e.number < order_fault.number
    ) THEN 'begins-once' END;
  END IF;
  told := payload::jsonb;
  SELECT array_agg(e.number ORDER BY e.number) INTO prior FROM {{schema}}.entry AS e
  WHERE e.payload::json ->> 'key' = told ->> 'key' AND e.payload::json ->> 'kind' = told ->> 'kind'
    AND e.number < order_fault.number;
  last := prior[cardinality(prior)];
  SELECT e.payload::jsonb INTO before FROM {{schema}}.entry AS e WHERE e.number = last;
  CASE told ->> 'action'
  WHEN 'redact' THEN
    RETURN CASE WHEN before ->> 'action' = 'withdraw'
      AND to_jsonb(prior) = told -> 'entries'
      AND before ->> 'replaced_by' IS NOT DISTINCT FROM told ->> 'replaced_by'
      THEN NULL ELSE 'redacts-own' END;
  ELSE
    IF before ->> 'action' IN ('record', 'amend') IS NOT TRUE OR last <> (told ->> 'replaces')::bigint THEN
      RETURN 'replaces';
    END IF;
  END CASE;
  IF told ->> 'action' = 'amend' THEN
    fixed := '{_of_each("fixed")}'::jsonb -> (told ->> 'kind');
    IF EXISTS (SELECT FROM jsonb_array_elements_text(fixed) AS name
               WHERE told -> 'record' -> name IS DISTINCT FROM before -> 'record' -> name) THEN
      RETURN 'fixed';
    END IF;
  ELSIF told ? 'replaced_by' THEN
    SELECT e.payload::jsonb INTO before FROM {{schema}}.entry AS e
    WHERE e.payload::json ->> 'key' = told ->> 'replaced_by' AND e.payload::json ->> 'kind' = told ->> 'kind'
      AND e.number < order_fault.number ORDER BY e.number DESC LIMIT 1;
    IF told ->> 'replaced_by' = told ->> 'key' OR before ->> 'action' IN ('record', 'amend') IS NOT TRUE THEN
      RETURN 'replaced-by';
    END IF;
  END IF;
  RETURN NULL;
END"""
"""The rule that an entry breaks after those before it; null where it breaks none. See ``follow``."""

CHECKS = {
    "is_sorted": Function("value json, depth integer", "boolean", SORTED),
    "days": Function("edtf text", "bigint[]", DAYS),
    "is_edtf": Function("edtf text", "boolean", EDTF),
    "is_formula": Function("formula text", "boolean", FORMULA),
    "fits": Function("value jsonb, form text", "boolean", FITS),
    "is_of": Function("record jsonb, kind text", "boolean", IS_OF),
    "is_before": Function("value jsonb, number bigint", "boolean", IS_BEFORE),
    "payload_fault": Function("number bigint, payload text", "text", PAYLOAD_FAULT),
    "order_fault": Function("number bigint, payload text", "text", ORDER_FAULT),
}
"""The functions that decide whether an entry is lawful."""
