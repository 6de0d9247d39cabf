"""Backs up a whole ledger, in a consistent state, to one file.

The copy is written under a temporary name, verified, and only then renamed, so that a failed backup never
replaces a good one.
"""

from __future__ import annotations

import os
from pathlib import Path

from claimledger.errors import StoreError
from claimledger.ledger.maintenance import migrate
from claimledger.ledger.progress import Progress, no_progress
from claimledger.ledger.query.time_travel import size
from claimledger.ledger.tree_head import TreeHead
from claimledger.ledger.verify.verification import verify
from claimledger.ledger.write.replicate import first_difference
from claimledger.storage.base import Store
from claimledger.storage.open import create_atomically, open_store
from claimledger.storage.sqlite.files import hidden_path_for, remove, rename_new, replace, rights_of
from claimledger.storage.sqlite.names import require_unambiguous_name


def back_up(store: Store, path: Path, progress: Progress = no_progress) -> TreeHead:
    """Back up a ledger to a file without blocking writers; return the tree head of the backup.

    An older backup of the same ledger at ``path`` is replaced. Raises :class:`StoreError`, and leaves the
    file unchanged, if it is the ledger itself, is in use, is a different ledger or a fork, or has more
    entries; also if the ledger is damaged.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder; a backup is one file")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is a device or a pipe; a backup is one file")
    # Replace the target of a symbolic link, not the link itself.
    named_path, path = path, Path(os.path.realpath(path))
    exists = path.exists()
    rights = store.maintenance.rights & rights_of(path) if exists else store.maintenance.rights
    temporary_path = hidden_path_for(path, "backup")
    try:
        with store.reading():
            if exists:
                if store.maintenance.is_in(path):
                    raise StoreError(
                        f"{named_path} is the ledger itself; name another file for the backup"
                    )
                _require_older_backup(store, named_path)
                _require_unused(path, named_path)
            require_unambiguous_name(path, named_path)
            if not store.maintenance.copy_to(temporary_path, rights):
                with create_atomically(temporary_path, rights) as target:
                    migrate.move(store, target)
        with open_scrubbed(temporary_path) as copy:
            head = _verify_copy(copy, progress, store.name, named_path)
        if exists:
            _require_unused(path, named_path)
            replace(temporary_path, path)
        else:
            rename_new(temporary_path, path)
        return head
    except OSError as error:
        raise StoreError(
            f"{named_path} cannot be written: {error.strerror}; nothing was changed"
        ) from None
    finally:
        remove(temporary_path)


def _require_unused(path: Path, named_path: Path) -> None:
    """Raise :class:`StoreError` if the ledger at ``path`` is in use."""
    if Path(f"{path}-wal").exists():
        raise StoreError(
            f"{named_path} is a ledger that is open in another program, or whose last write was interrupted; "
            "name another file for the backup"
        )


def open_scrubbed(path: Path) -> Store:
    """Scrub the redacted texts from a new copy, if any may be left in it, and open it for reading."""
    with open_store(path, writable=True) as copy:
        if copy.maintenance.unscrubbed():
            copy.maintenance.vacuum()
    return open_store(path)


def _verify_copy(copy: Store, progress: Progress, ledger: str, target: Path) -> TreeHead:
    """Verify a copy and return its tree head; raise :class:`StoreError` with the first fault."""
    with copy.reading():
        result = verify(copy, progress)
    if not result.clean:
        more = f" (and {len(result.faults) - 1} more)" if len(result.faults) > 1 else ""
        raise StoreError(
            f"{ledger} is damaged, and no backup was written to {target}: {result.faults[0]}{more}. If "
            "only the views are damaged, `claimledger rebuild` rebuilds them. If the log is damaged, restore "
            "an earlier backup, or see what can be recovered with `verify --deep` and `salvage`"
        )
    return TreeHead(result.size, result.root)


def _require_older_backup(store: Store, path: Path) -> None:
    """Raise :class:`StoreError` if the ledger does not continue the backup at ``path``."""
    with open_store(path) as backup, backup.reading():
        difference = first_difference(store, backup)
        if difference is not None:
            raise StoreError(
                f"{path} is a backup of another ledger, or a fork: the two differ from entry {difference} "
                "on; the file was not changed"
            )
        ledger_size, backup_size = size(store), size(backup)
        if backup_size > ledger_size:
            raise StoreError(
                f"{path} has {backup_size} entries and the ledger only {ledger_size}: the backup is newer; "
                "it was not changed"
            )
