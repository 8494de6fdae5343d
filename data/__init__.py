"""Where bars come from, what a frame must look like, and where the books are kept."""
