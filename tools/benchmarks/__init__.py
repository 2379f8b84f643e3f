"""The benchmarks of tools/bench.py, one file an area."""
