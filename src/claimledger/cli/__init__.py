"""The command line: words, options and tables. Every command is a thin layer over a library call."""
