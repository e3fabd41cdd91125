"""One short module per model family: the names of its arguments, its conditions and its parts."""
