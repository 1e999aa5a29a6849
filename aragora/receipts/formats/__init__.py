"""A receipt for people to read: Markdown and HTML. The JSON document itself is the original."""
