"""What is planted: faults in the tables of a set, and faults in the files of a copy of it."""

from benchmarks.planters import boxes, classes, convention, splits
from benchmarks.planters.base import SET, WHOLE, Fault, Field, Planted, Planter, Token

TABLES: list[Planter] = [*boxes.PLANTERS, *convention.PLANTERS, *classes.PLANTERS, *splits.PLANTERS]

__all__ = ["SET", "TABLES", "WHOLE", "Fault", "Field", "Planted", "Planter", "Token"]
