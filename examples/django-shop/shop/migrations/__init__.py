"""The shop's tables; those of mailsvc have migrations of their own."""
