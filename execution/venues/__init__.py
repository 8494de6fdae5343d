"""The port to a venue, and the venues behind it."""
