"""Which orders need attention, and why."""
