"""Real servers for tests, all of our own: what the machine runs already is never touched."""
