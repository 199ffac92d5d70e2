"""Pages. A view loads, makes one call downwards, and answers."""
