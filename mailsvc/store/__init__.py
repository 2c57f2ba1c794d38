"""Tables, transactions and leases, on SQLite and on PostgreSQL."""
