"""What bars and books are expected to be, and the documents that say how far they are."""
