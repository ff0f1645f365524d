"""Published results as data: read, checked against themselves and one another, combined where they may be."""
