"""Prints kernels and programs as text for a target. Decides nothing, and never reads settings."""
