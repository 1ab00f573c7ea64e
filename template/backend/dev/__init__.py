"""The development stack without Docker. Nothing here is part of the application or of its image.

As in `app/`, this file keeps an installed package of the name from being imported in its place.
"""
