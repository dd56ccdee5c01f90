"""One module for each verb of `kat`."""
