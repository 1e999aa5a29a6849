"""The store of the Knowledge Mound: its tables, and who reads and writes them."""
