"""Messages of the contract into domain values and back; every fault of a request is named at once."""
