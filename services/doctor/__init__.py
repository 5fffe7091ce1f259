"""The running audit: counts again what the three services say and compares it.

Invariant: it only reads, but for `repair`, which mends counters by each service's own rules and
under its own locks. What is still on its way is never called wrong (`compare`).

settings, servers   what there is to ask, and whether it answers
broker              topics, and how far each consumer has come
looking             one look at everything
compare, plumbing   what is wrong in a look: pure
doctor              looks until what is on its way has arrived
person              why somebody was or was not promoted
repair              mending
report, watch       for people, for programs, for Prometheus
"""
