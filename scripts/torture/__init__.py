"""Attacks on the packages, counted: see `python -m scripts.torture --help` and docs/reliability.md."""
