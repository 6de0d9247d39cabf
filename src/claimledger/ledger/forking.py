"""Whether this process can be forked, to spread work over several cores."""

from __future__ import annotations

import os
import threading


def may_fork() -> bool:
    """Whether the system supports ``fork`` and this process has a single thread.

    A forked child inherits the locks of all threads but only the forking thread itself, so a lock that
    another thread holds is never released there.
    """
    return hasattr(os, "fork") and threading.active_count() == 1
