"""Commands of the demo authorization server."""
