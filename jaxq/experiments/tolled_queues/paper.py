"""What the experiments of the paper share."""

PAPER = "Shen, splitting a server under tolls"
