"""Benchmarks. Every time is compared with a baseline measured in the same run: ``python -m bench``."""
