"""One function for each verb: from a command and a unit of work to a result."""
