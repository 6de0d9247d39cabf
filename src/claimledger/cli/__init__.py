"""The command line: words, options and tables. Every command is a thin face of a library call."""
