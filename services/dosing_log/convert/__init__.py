"""Messages to domain values, with every fault of a request at once, and back."""
