"""From plan to sent orders, at most one an intent."""
