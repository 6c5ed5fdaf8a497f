"""Benchmarks, one module per question: ``python -m benchmarks QUESTION``. README.md describes the comparisons."""
