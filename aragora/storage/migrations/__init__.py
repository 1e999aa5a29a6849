"""Changes to what is stored, as opposed to how: `python -m aragora.storage.migrations.encrypt_existing_data`."""
