"""Tasks as stored: tables, the writer that commits in groups, and what reads."""
