"""Graph to graph: autodiff, algebra, splitting of reductions."""
