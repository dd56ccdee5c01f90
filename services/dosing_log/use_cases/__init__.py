"""One function for each verb: (command, unit of work, clock, actor) to result."""
