"""The RPCs: message in, use case, message out."""
