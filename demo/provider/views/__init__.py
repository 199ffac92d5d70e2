"""Pages and endpoints of the demo authorization server."""
