"""Executions at work: the driver of the workflow machine."""
