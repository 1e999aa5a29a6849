"""The settings by chapter of the operations runbook, one file each; `aragora.config.settings` joins them."""
