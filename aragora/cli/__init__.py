"""The commands: one file a command, registered by name in `main.py` and imported only when called."""
