"""Attacks on the packages, and their outcomes: see `python -m scripts.torture --help` and docs/reliability.md."""
