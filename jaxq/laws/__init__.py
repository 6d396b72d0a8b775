"""Laws of interarrival times and of sizes, of unit mean."""
