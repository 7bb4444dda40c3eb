"""Faults of single boxes, of pairs of boxes and of the way a whole set writes its boxes."""
