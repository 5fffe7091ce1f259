"""All SQL of notifications: what is known of events and people, the ledger, its delivery.

Invariant: functions take an open connection and never commit; each is one statement or two,
however many rows it is about.
"""
