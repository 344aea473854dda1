"""Rewrites: graph to graph, graph to kernels, kernels to a program. Never runs anything."""
