"""python -m benchmarks NAME [options]."""

from __future__ import annotations

import importlib
import sys

NAMES = ("tables", "planting")

if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
    sys.exit(f"usage: python -m benchmarks {{{','.join(NAMES)}}} [options]")
sys.exit(importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:]))
