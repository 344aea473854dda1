"""Graph to kernels: fusion, lowering, scheduling."""
