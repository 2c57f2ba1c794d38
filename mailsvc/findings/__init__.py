"""From what arrived mails mean to what becomes of deliveries: matched with messages, recorded with their events, once."""
