"""The whole journey: media file to .mcx and .mcx to media file."""
