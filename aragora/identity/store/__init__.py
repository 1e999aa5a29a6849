"""What identity keeps: users, logins, keys, the audit log."""
