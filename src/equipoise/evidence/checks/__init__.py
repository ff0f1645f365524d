"""The checks, one file a family. A check takes results and returns findings; it knows no particular trial."""
