"""What the account is worth and holds."""
