"""Work in the Sent folders of mailboxes that are linked to relays: looks for copies that settle deliveries, and files copies."""
