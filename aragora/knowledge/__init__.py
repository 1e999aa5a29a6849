"""What debates taught: what was settled, what held, and how far to believe it."""
