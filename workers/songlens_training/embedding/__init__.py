"""Network embedding: a vector for each vertex of the graph."""
