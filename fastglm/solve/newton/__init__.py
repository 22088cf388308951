"""Newton steps, their acceptance and stopping."""
