"""Benchmarks, one module per question: ``python -m benchmarks QUESTION``. README.md explains what is compared and how."""
