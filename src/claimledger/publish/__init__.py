"""What goes out: the report and the audit as values, and their faces in ``formats/``."""
