"""The OAuth 2.0 client protocol. Knows the RFCs, but no Django, users or stored data."""
