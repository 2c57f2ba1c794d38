"""From webhook rows to signed POSTs."""
