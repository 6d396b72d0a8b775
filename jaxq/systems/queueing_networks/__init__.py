"""Open networks of multi-class stations with routing: tandems, Jackson networks, criss-cross and re-entrant lines."""
