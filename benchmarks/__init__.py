"""Performance against peers, as ratios; run by hand, never by tests or CI. docs/performance.md says how.

stampede, token_read, mass_revocation     what is measured: python3 -m benchmarks NAME
setting, authority                        throw-away sites, and the authorization server that all of them ask
callers, readers, revokers                what runs in a process of such a site
keyrack, keyrack_current, revoking        how Keyrack is used there, and
peers                                     how everybody else is, in a Python of their own
filling, report                           a million rows, and the table
"""
