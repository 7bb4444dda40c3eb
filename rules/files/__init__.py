"""Rules about files and records: what is broken, missing, doubled or out of place."""
