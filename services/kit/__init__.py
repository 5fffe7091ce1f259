"""Technical code that every service uses and that knows no business word.

Invariant: nothing here imports a service or names an event, a seat, a person or a mail.
"""
