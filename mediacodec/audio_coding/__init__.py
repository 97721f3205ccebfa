"""What audio codecs share: settings of codebooks, queues between steps, rate caps, concealment."""
