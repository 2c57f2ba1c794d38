"""What POP3 and IMAP have in common: accounts, connections, SASL, errors. It knows no database."""
