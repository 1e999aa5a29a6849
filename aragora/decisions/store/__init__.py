"""Entries of decisions, and the generations that make them stale."""
