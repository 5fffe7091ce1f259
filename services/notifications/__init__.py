"""Notifications: keeps the mail ledger and brings every mail to an SMTP server."""
