"""What the scheduler does: one function for each verb, (command, unit of work, clock) → result."""
