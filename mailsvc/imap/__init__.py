"""IMAP as a library (RFC 9051, 3501, 2177, 4315, 6851, 6154): a client. It knows no database."""
