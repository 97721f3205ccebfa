"""Integer codes for language models: out of audio or .mcx files, and back."""
