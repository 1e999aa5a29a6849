"""The schema's history, and the three commands over it: `python -m aragora.migrations.apply|status|rollback`.

Each context (`aragora.storage.contexts`) has a linear history of its own: a SQLite file of its own, or its tables
in the one PostgreSQL database. To change a context's schema:

1. change its tables (`aragora/storage/tables*.py`), which is what the stores use;
2. add `versions/CONTEXT/NNNN_what_changes.py`: an Alembic revision whose `revision` is "NNNN", the number in its
   file name, and whose `down_revision` is the number before it in that directory (None for the first), with both
   `upgrade` and `downgrade`. `versions/debates/0001_debates.py` is an example. The same file runs on SQLite and on
   PostgreSQL; use `op.batch_alter_table` to alter a table.

A revision that was released never changes. Tests compare the migrated schema with the tables, up and down.
"""
