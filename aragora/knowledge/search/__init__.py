"""How knowledge is found: tokens for full text, vectors for meaning, and the fusion of both lists into one.

Nothing here knows items, people or stores: it speaks of ids, texts, vectors and keys of workspaces.
"""
