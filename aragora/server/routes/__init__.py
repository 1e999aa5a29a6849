"""The HTTP surface, one file a chapter. Every route declares its policy with `require`."""
