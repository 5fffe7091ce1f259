"""The waitlist: who waits for which event, who moves up next, and the book of why.

Invariant: this service wishes, registration decides. Nothing here gives anybody a seat.
"""
