"""Servers: the wire to them, the pace they bear, patience with them, several behind one name."""
