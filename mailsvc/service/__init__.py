"""The composition root: what a running mailsvc is made of, and how its processes start and stop."""
