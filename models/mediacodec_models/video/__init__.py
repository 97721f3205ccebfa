"""Video networks, their training and their export."""
