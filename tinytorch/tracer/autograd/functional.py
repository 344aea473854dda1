"""``autograd.functional``: Jacobians, Hessians and products with them, of plain functions."""
