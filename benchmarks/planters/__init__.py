"""What is planted: faults in the tables of a set, and faults in the files of a copy of it."""

from benchmarks.planters import boxes, carried, classes, convention, files, pictures, records, splits, twins
from benchmarks.planters.base import SET, WHOLE, Fault, Field, Planted, Planter, Token
from benchmarks.planters.trees import FilePlanter, Tree, linked, unpack

TABLES: list[Planter] = [
    *boxes.PLANTERS,
    *convention.PLANTERS,
    *classes.PLANTERS,
    *splits.PLANTERS,
    *twins.PLANTERS,
    *carried.PLANTERS,
]
FILES: list[FilePlanter] = [*records.PLANTERS, *files.PLANTERS, *pictures.PLANTERS]

__all__ = [
    "FILES",
    "SET",
    "TABLES",
    "WHOLE",
    "Fault",
    "Field",
    "FilePlanter",
    "Planted",
    "Planter",
    "Token",
    "Tree",
    "linked",
    "unpack",
]
