"""Where the dosing log is kept: PostgreSQL, append-only but for a projection and the counters of PINs."""
