"""What is kept: engines, tables and one store a file, over SQLite or PostgreSQL."""
