"""Aragora settles questions by debate: agents propose, criticise, revise and vote; a receipt proves it."""

__version__ = "1.0.0"
