"""Functions on plain text: folding into words, code points, widths and repetition."""
