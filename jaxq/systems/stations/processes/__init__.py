"""What a station is stepped as, where it is no jump process."""
