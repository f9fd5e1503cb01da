"""Certify: measure how far the simulated users of a dataset can be believed."""
