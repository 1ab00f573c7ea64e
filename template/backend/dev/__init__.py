"""The development stack without Docker. Nothing here is part of the application or of its image."""
