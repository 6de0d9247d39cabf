"""What readers are shown, as values in words: the report, the audit, a claim, an explanation."""
