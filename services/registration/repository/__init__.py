"""All SQL of registration, one module a noun.

Invariant: whoever changes a registration or a counter holds the lock of the event's `seats` row
first; several rows are locked in the order of their ids, so that no two transactions wait for
each other.
"""
