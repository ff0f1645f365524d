"""What every room stands on: problems, study days, random numbers, hashing."""
