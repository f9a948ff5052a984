"""Datasets end to end: fetched from contributors' nodes, exported by the operator, checked by buyers."""
