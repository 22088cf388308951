"""Compiled code only: load, predict, accumulate, the sweep, vector math, and the jit options."""
