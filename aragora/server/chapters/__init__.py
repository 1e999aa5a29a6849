"""Routes by feature."""
