"""Benchmarks: `python -m benchmarks NAME`. Each prints a table and, with --write, puts it into docs/benchmarks.md."""
