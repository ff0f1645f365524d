"""Published results as data: read, checked against themselves and one another, combined if they may be."""
