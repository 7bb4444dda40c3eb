"""python -m benchmarks [NAME [options]]; without a name every benchmark, written into docs/benchmarks.md."""

from __future__ import annotations

import importlib
import sys

NAMES = ("convert", "domains", "duplicates", "merge", "pixels", "planting", "tables")


def main(arguments: list[str]) -> int:
    """Run one benchmark, or all of them."""
    if not arguments:
        return max([main([name, "--write", "docs/benchmarks.md"]) for name in NAMES])
    name, *options = arguments
    if name not in NAMES:
        print(f"usage: python -m benchmarks [{{{','.join(NAMES)}}} [options]]", file=sys.stderr)
        return 2
    code: int = importlib.import_module(f"benchmarks.{name}").main(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
