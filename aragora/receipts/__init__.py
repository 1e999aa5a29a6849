"""Receipts: signed, chained records of decisions that anyone can check without trusting this server."""
