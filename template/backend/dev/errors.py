"""Errors of the development stack."""


class DevError(Exception):
    """Something that the developer can put right; shown without a traceback."""
