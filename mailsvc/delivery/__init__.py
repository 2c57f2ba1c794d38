"""From due deliveries to SMTP transactions and their attempts."""
