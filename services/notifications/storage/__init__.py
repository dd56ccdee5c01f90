"""Where it is kept: PostgreSQL, contact data encrypted by field."""
