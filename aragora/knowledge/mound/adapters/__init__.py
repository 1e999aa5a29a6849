"""The adapters: each turns what happened in one part of the system into items, and items into advice for that part."""
