"""Every figure that the docs claim, as a command: `python -m benchmarks.NAME`, or `make bench` for all.

Each prints a table and returns its figures from `run()`. Speeds are given as ratios within one run
where a bare anchor exists, since the same machine differs from itself by the hour.
"""
