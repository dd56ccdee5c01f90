"""E-mail: templates, calendar files, messages, and the way to a provider."""
