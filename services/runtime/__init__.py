"""What every service needs and none owns: server, errors, identity, database, events, clock, logs, metrics."""
