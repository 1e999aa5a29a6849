"""Identity and secrets: who a caller is, what it may do, and how secrets rest. Pure rules; stores are ports."""
