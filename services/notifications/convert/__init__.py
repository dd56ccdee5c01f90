"""From messages to the domain, with all faults of a request at once, and back."""
