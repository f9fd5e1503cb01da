"""The journal: what models said, kept by a hash of what was asked, and what goes around it."""
