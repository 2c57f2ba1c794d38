"""The composition root: assembles a running mailsvc; starts and stops its processes."""
