"""What only a person with a GPU and the real weights can verify; run by hand, never by `make test`."""
