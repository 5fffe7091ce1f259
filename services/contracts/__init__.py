"""Events on the wire, defined once for every producer and consumer.

Invariant: this package imports nothing of ours, and within a major version of a topic fields
are only added, never renamed, removed or given another meaning (docs/decisions/0005).
"""
