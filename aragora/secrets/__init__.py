"""Encryption at rest and the keys it uses."""
