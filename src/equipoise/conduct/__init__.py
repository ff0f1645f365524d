"""The running trial: a ledger that loses nothing and reveals nothing.

`rules` holds what is right (no Django), `audit_trail`, `keys` and `trial` what is kept, `integrity` what proves it,
`actions` the only way to a change, `drill` the proofs a user can run. Nothing here is imported by ``import equipoise``;
Django is set up by :meth:`Trial.open` alone.
"""
