"""What ``mailsvc doctor`` looks at: each module one place, each finding with what to do."""
