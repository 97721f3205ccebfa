"""What codecs share above the range coder: symbol coders, signed Exp-Golomb codes, scan orders."""
