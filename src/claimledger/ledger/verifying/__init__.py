"""The parts of ``verify``: what a fault is, a stretch of the log, what only the whole log tells."""
