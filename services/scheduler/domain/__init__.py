"""Values and rules of scheduling: plain Python without input or output."""
