"""A sample of the pictures that a model will meet: read, compared with, and picked from."""
