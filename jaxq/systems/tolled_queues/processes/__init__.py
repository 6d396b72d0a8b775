"""What tolled queues are stepped as: by customer, or by who is at the servers."""
