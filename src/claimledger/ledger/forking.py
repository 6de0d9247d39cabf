"""Whether this process may be forked to share work among cores."""

from __future__ import annotations

import os
import threading


def may_fork() -> bool:
    """Return whether the system forks processes, and this one runs no other thread.

    A forked process has the other threads' locks and open files, and no thread that would release them.
    """
    return hasattr(os, "fork") and threading.active_count() == 1
