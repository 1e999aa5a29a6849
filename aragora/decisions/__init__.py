"""Decisions: the way on which a question is settled, and the answers that are given again."""
