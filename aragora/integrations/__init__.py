"""Connections to outside services, kept with their secrets encrypted."""
