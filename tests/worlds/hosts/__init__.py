"""A test bed of whole hosts on one machine: Linux namespaces joined by a switch, each with a root of its own.

`bed.py` builds and removes it and says what a test may do. The other files, from the ground up: `rack.py` holds
everything together and takes everything down with it, `base_layer.py` fills what all hosts start from, `host.py` is one
machine and its power switch, `switch.py` joins them and does what networks do, `laptop.py` and `database.py` are the
two hosts that are no nodes.
"""
