"""The issues of the newsletter: writing, planning, publishing, archive."""
