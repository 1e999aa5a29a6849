"""The journal of debates and their records, on SQLite and PostgreSQL."""
