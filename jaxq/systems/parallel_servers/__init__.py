"""Multi-class multi-pool networks: skill-based routing, abandonment, overload control, staffing."""
