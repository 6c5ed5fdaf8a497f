"""Benchmarks, one question a module: ``python -m benchmarks QUESTION``. README.md says what is compared and how."""
