"""The `kat` command."""
