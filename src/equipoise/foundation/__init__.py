"""What every room uses: problems, study days, random numbers, hashing."""
