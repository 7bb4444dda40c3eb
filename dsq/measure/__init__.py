"""What is measured once per image file or box crop, and its cache. Nothing is imported here: workers start fast."""
