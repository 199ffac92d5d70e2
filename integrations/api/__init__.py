"""The REST API: what a program may ask, as the person whose token it shows."""
