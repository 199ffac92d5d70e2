"""Performance against peers, as ratios; run by hand, never by tests or CI. docs/performance.md says how.

stampede, token_read, mass_revocation     what is measured: python3 -m benchmarks NAME
setting, authority                        temporary sites, and the authorization server that all of them call
callers, readers, revokers, fillers       programs that run in a process of such a site
keyrack, keyrack_current, revoking        how Keyrack is used there
peers                                     how the peers are used, in a Python of their own
serving                                   what is served over HTTP
filling, hammering, report                many rows, many requests, and the table of results
"""
