"""The implementations of the bulletin's server: two, of which one is the other."""
