"""The peers as contestants, each used as its own documentation says. Runs in a Python of their own, without Keyrack."""
