"""What parallel queues are stepped as: counts, queues one by one, and the systems that they are compared with."""
