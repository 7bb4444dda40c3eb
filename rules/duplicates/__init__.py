"""Pictures that are there more than once, and what their labels say."""
