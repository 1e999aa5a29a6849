"""The ports of `aragora.server.ports`, fulfilled over actor handles and stores: one port a file."""
