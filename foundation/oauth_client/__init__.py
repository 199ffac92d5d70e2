"""The client role of OAuth 2.0 on the wire. Knows the RFCs; knows nothing of Django, of users or of what is stored."""
