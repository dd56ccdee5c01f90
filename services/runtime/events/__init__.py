"""Events between services: written with the change that they tell of, delivered at least once, with effect once."""
