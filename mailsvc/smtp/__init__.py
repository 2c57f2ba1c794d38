"""SMTP as a library: a client and a server. It knows no database."""
