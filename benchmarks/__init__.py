"""Measurements: `python -m benchmarks.NAME`. Nothing here runs in production or asserts a time."""
