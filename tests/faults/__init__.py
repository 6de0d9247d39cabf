"""What goes wrong outside the program, done to it on purpose: kills, full disks, cut lines, clocks, versions.

Short in ``make test``, long in ``make soak`` (``FAULTS_KILLS=500``). After each: ``verify`` is clean, every
acknowledged entry is there, none is half there, and the next command works without mending by hand.
"""
