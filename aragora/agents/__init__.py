"""Agents: who can be asked, through which provider, at what price, and what happens when one fails."""
