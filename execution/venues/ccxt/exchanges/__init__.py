"""One exchange, one file: a table of what is known of it, and no code."""
