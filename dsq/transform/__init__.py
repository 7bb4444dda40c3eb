"""What can be done to a dataset: one verb a module, tables in, tables out; no file is opened here."""
