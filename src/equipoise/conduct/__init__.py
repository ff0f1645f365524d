"""The running trial: a ledger that loses nothing and gives nothing away.

`rules` holds what is right (no Django), `store` what is kept, `actions` the only door to a change, `drill` the proofs a
user can run. Nothing here is imported by ``import equipoise``; Django is set up by :meth:`Trial.open` alone.
"""
