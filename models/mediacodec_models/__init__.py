"""Networks, training and export of mediacodec's models: everything that needs torch."""
