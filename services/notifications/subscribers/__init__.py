"""Who gets the newsletter: asking, consent, leaving, suppression."""
