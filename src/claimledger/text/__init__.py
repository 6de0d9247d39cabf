"""Text as records and files hold it: folding, code points, widths, repetition. Knows no record."""
