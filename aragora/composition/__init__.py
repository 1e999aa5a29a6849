"""The only rooms that know stores and routes alike: they open a replica and the server's process."""
