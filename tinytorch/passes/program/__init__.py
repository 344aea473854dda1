"""Kernels to a program: steps, donation, order, memory."""
