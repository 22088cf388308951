"""How functions are compiled, cached and called."""
