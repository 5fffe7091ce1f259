"""Registration: events, seats and registrations. The only arbiter of a seat."""
