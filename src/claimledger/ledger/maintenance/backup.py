"""Backups: a whole ledger at one moment in a file, verified before the file gets its name."""

from __future__ import annotations

import os
from pathlib import Path

from claimledger.errors import StoreError
from claimledger.ledger.maintenance import migrate
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query.time_travel import size
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify.verification import verify
from claimledger.ledger.write.replicate import parting
from claimledger.storage.base import Store
from claimledger.storage.open import create_atomically, open_store
from claimledger.storage.sqlite.files import remove, replace, rights_of, take_name, unfinished
from claimledger.storage.sqlite.names import require_unambiguous_name


def back_up(store: Store, path: Path, progress: Progress = no_progress) -> TreeHead:
    """Write a whole ledger to a file while others keep writing; return its size and root.

    A backup that is there is brought up to date. The ledger itself, a ledger that somebody has open, one of
    another ledger, one that forked, or one that goes further is refused, and stays as it was.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder; a backup is one file")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is a device or a pipe; a backup is one file")
    named_path, path = (
        path,
        Path(os.path.realpath(path)),
    )  # a link keeps pointing to its target
    known = path.exists()
    rights = store.rights & rights_of(path) if known else store.rights
    beside = unfinished(path, "backup")
    try:
        with store.reading():
            if known:
                if store.is_in(path):
                    raise StoreError(
                        f"{named_path} is the ledger itself; a backup needs a file of its own"
                    )
                _follows(store, named_path)
                _see_free(path, named_path)
            require_unambiguous_name(path, named_path)
            if not store.copy_to(beside, rights):
                with create_atomically(beside, rights) as target:
                    migrate.move(store, target)
        with open_whole(beside) as copy:
            stand = _prove(copy, progress, store.name, named_path)
        if known:
            _see_free(path, named_path)
            replace(beside, path)
        else:
            take_name(beside, path)
        return stand
    except OSError as error:
        raise StoreError(
            f"{named_path} cannot be written: {error.strerror}; nothing was changed"
        ) from None
    finally:
        remove(beside)


def _see_free(path: Path, named_path: Path) -> None:
    """Refuse to replace a ledger that somebody is working with."""
    if Path(f"{path}-wal").exists():
        raise StoreError(
            f"{named_path} is a ledger that is open, or was left in the middle of a write; name another file "
            "for the backup"
        )


def open_whole(path: Path) -> Store:
    """Open a file that was just copied, at rest, with nothing left in it of what was redacted."""
    with open_store(path, writable=True) as copy:
        if copy.unscrubbed():
            copy.vacuum()
    return open_store(path)


def _prove(copy: Store, progress: Progress, ledger: str, target: Path) -> TreeHead:
    """Verify a copy of a ledger; raise :class:`StoreError` with what is wrong first."""
    with copy.reading():
        verdict = verify(copy, progress)
    if not verdict.clean:
        more = f" (and {len(verdict.faults) - 1} more)" if len(verdict.faults) > 1 else ""
        raise StoreError(
            f"{ledger} is damaged, and no backup was written to {target}: {verdict.faults[0]}{more}. Where "
            "only views are wrong, `claimledger rebuild` makes them anew; where the log is, take the ledger "
            "from an earlier backup, or see what can be saved: `verify --deep`, `salvage`"
        )
    return TreeHead(verdict.size, verdict.root)


def _follows(store: Store, path: Path) -> None:
    """Require that a ledger continues a backup."""
    with open_store(path) as backup, backup.reading():
        part = parting(store, backup)
        if part is not None:
            raise StoreError(
                f"{path} is of another ledger, or one of the two forked: they part at entry {part}; the "
                "backup stays as it was"
            )
        ours, theirs = size(store), size(backup)
        if theirs > ours:
            raise StoreError(
                f"{path} holds {theirs} entries and the ledger {ours}: the backup is the newer of the two, "
                "and stays as it was"
            )
