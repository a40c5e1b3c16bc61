"""Row 11: groups of commands; `credit_lab.__main__` puts them together."""
