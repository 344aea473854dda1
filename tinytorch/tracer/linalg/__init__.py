"""Linear algebra beyond sums and products: factorizations, and what is computed from them.

numpy computes the values, so these run eagerly alone; inside a compiled function they raise a
TraceError. Their derivatives are compositions of products and solutions, which nest. Sources of the
formulas: M. Giles, Collected matrix derivative results for forward and reverse mode algorithmic
differentiation (2008); for the pseudo-inverse, G. Golub and V. Pereyra (1973).
"""
