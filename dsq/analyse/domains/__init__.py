"""Whether two sets of images come from one domain, how the second differs, and what of it the first does not cover."""
