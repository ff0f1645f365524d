"""Borrowing from earlier studies: priors for an arm, what they are worth, and what a trial that uses them would do."""
