"""Writers of reports: one renderer a module."""
