"""What a network is stepped as: by the numbers in system, or customer by customer."""
