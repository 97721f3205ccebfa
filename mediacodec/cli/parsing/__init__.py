"""From the words of a command line to values: options, their types, endpoints."""
