"""Safety staffing of tree networks: what a network can bear, and the theorem of Hmedi, Arapostathis and Pang, simulated."""
