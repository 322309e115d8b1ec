"""Statistics, tables and figures made from the records of runs."""
