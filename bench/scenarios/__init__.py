"""What is measured about mailsvc itself, one module a subject."""
