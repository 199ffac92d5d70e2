"""The REST API. A program acts as the user whose token it presents."""
