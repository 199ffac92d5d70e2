"""HTML views. A view loads its rows, makes one call to the layer below, and responds."""
