"""How networks move."""
