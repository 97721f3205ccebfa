"""What the program shows: lines, progress, scores, errors."""
