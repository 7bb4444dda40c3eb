"""Splits: their sizes, their classes, and pictures that stand in two of them."""
