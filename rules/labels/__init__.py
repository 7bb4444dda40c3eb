"""Rules about labels: missing, empty, contradictory."""
