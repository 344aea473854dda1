"""Timings of tinytorch beside its peers; run with ``python -m benchmarks`` (see README.md)."""
