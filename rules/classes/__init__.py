"""Classes: their names, and how often each occurs."""
