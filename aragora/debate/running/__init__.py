"""Driving debates over a journal."""
