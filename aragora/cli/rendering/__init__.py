"""What the commands print: events, decisions and tables, with rich."""
