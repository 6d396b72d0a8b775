"""What a network is made of: classes, pools, rates and their changes; networks by name."""
