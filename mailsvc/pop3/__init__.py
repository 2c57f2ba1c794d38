"""POP3 as a library (RFC 1939, 2449, 2595, 3206, 5034): a client. It knows no database."""
