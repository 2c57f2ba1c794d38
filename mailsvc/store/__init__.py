"""Tables, sessions and leases: how rows are kept, on SQLite and on PostgreSQL."""
