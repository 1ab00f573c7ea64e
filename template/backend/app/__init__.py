"""The application.

The folders below need no file like this. Here it keeps a package that happens to be installed, and
to be named `app`, from being imported in the place of this one.
"""
