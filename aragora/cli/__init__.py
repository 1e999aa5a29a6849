"""The commands: registered by name in `main.py`, each imported only when it is called."""
