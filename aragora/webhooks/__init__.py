"""Webhooks: what happened in a debate is told to the endpoints that asked for it, at least once, or it is known why
not.

`model` holds the words, `machine` the rules; `guard` keeps deliveries away from internal addresses.
"""
