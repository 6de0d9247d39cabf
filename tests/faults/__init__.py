"""Tests that inject faults from outside: kills, failing and full disks, lost connections, clocks that go back.

Short in ``make test``, long in ``make soak`` (``FAULTS_KILLS=500``). After each fault ``verify`` is clean, every
acknowledged entry is present, none is incomplete, and the next command works without manual repair.
"""
