"""What may be sent: limits, one function a check, and the review of a whole plan."""
