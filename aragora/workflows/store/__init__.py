"""Where workflows keep what they know: tables, the writer, and what reads them."""
