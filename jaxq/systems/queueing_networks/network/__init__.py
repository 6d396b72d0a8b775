"""What a network is made of: classes, stations, rates and routing; networks by name."""
