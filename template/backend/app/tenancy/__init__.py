"""Tenants, and the rule that one of them never sees another's rows."""
