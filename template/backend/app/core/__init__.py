"""What every part of the application stands on: settings, logs, errors, database, cache, HTTP."""
