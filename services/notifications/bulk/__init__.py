"""Sending one letter to very many: recipients, leases, SMTP, bounces."""
