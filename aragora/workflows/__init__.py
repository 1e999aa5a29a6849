"""Workflows: debates, people, timers and knowledge, joined so that nothing is lost or done twice."""
