"""The worked case: ``ledger.db`` contains the records of ``fixtures/``, which cover the whole article."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from builders import analysis_of
from claimledger.importers.case_files import read_files
from claimledger.ledger import Ledger
from claimledger.records.claim import Claim
from claimledger.records.kinds import KINDS
from claimledger.records.link import RELATIONS, Link

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))

import build  # noqa: E402


@pytest.fixture
def worked() -> Ledger:
    """Return the ledger of the worked case."""
    return Ledger.open(ROOT / "ledger.db")


def test_the_ledger_is_built_from_the_fixtures_record_for_record(
    worked: Ledger, tmp_path: Path
) -> None:
    build.build(build.CASE, tmp_path / "built.db")
    with worked, Ledger.open(tmp_path / "built.db") as built:
        for kind in KINDS:
            assert [stored.record for stored in worked.records(kind)] == [
                stored.record for stored in built.records(kind)
            ]
        assert worked.head() == built.head()
        assert worked.verify().faults == ()


def claims(worked: Ledger) -> dict[str, Claim]:
    """Return the claims of a ledger by key."""
    return {
        stored.key: stored.record
        for stored in worked.records("claim")
        if isinstance(stored.record, Claim)
    }


def test_every_reference_and_table_row_of_the_article_is_recorded(worked: Ledger) -> None:
    with worked:
        notes = [str(stored.record.note) for stored in worked.records("source")]
        for number in range(1, 39):
            assert sum(f"Reference {number};" in f"{note.split('.')[0]};" for note in notes) == 1, (
                number
            )
        rows = {key: claim for key, claim in claims(worked).items() if key.startswith("row-")}
        table = {key[:9] for key in rows}
        assert (len(table), len({key[4:7] for key in table})) == (69, 38)
        assert len(rows) == 76
        bureaus = Counter(rows[key].scope["operator"].split()[0] for key in table)
        assert bureaus == {
            "Fuzhou": 33,
            "Qingtian": 22,
            "Nantong": 9,
            "Lishui": 2,
            "Wenzhou": 2,
            "Laiyang": 1,
        }
        prose = claims(worked).keys() - rows.keys()
        assert 70 <= len(prose) <= 100


def test_claims_read_in_the_article_have_no_grounds(worked: Ledger) -> None:
    with worked:
        for key, claim in claims(worked).items():
            read = {citation.read for citation in claim.citations}
            assert read == {"article"}, key
            assert (claim.grounds is None) or key == "article-69"


def test_links_have_reasons_and_stated_links_have_citations(worked: Ledger) -> None:
    with worked:
        for stored in worked.records("link"):
            link = stored.record
            assert isinstance(link, Link)
            assert link.reason, link.key
            assert (link.basis == "stated") == bool(link.citations), link.key


def test_the_small_case_shows_every_type_of_link(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "l.db") as ledger:
        ledger.import_records(
            read_files([str(ROOT / "fixtures" / "every-link" / "case.yaml")]), by="T"
        )
        types = {
            stored.record.type
            for stored in ledger.records("link")
            if isinstance(stored.record, Link)
        }
        assert types == set(RELATIONS)
        assert len(ledger.keys("claim")) < 20
        standings = {str(status["standing"]) for status in
                     (analysis_of(ledger).as_json(key) for key in ledger.keys("claim"))}  # fmt: skip
        assert standings >= {"retracted", "superseded", "contested", "single-origin"}
