"""The door that calendar programs come in by: HTTP, one path, read only."""
