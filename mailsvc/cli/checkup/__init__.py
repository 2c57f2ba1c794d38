"""The checks of ``mailsvc doctor``: one module per area; each finding says what to do."""
