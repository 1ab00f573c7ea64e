"""Who is asking: access tokens, scopes, users, sessions, revocation."""
