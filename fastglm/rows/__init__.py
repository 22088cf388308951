"""Response, weights, offsets and designs, checked at the door."""
