"""Why a request is refused because of its tenant."""

from app.core.errors import ForbiddenError


class TenantMismatchError(ForbiddenError):
    """The request names one tenant and its token another."""

    code, title = "tenant-mismatch", "Another tenant"


class TenantInactiveError(ForbiddenError):
    """The token's tenant does not exist, or was deactivated."""

    code, title = "tenant-inactive", "Tenant not active"
