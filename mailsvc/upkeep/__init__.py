"""The periodic chores: expiry, adoption of deliveries without a relay, old idempotency keys."""
