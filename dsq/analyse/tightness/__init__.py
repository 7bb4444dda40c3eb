"""Loose and cut boxes, told from the pixels across their sides by a regression that the set itself teaches.

Each label is moved at random and the regression learns from what the sides then look like by how much each should move
back; it is asked about every label by a model that has not seen the label's image, nor a copy of it. Where the answers
lie far from the label, the label may be wrong.
"""
