"""Who and what the running request is about, for code that holds no request, such as logs."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TenantContext:
    """The tenant that a request acts in."""

    id: UUID
    slug: str
    name: str


@dataclass(slots=True)
class RequestState:
    """What is known of the running request; identity completes it while the request goes inwards.

    It is one object that is completed, not several context variables that are set: what a copied
    context (a thread, a task) sets would never be seen by the access log outside of it.
    """

    request_id: str
    client_address: str | None = None
    tenant: TenantContext | None = None
    user_id: UUID | None = None
    status: int | None = None
    """Of the answer, once it has begun."""


_state: ContextVar[RequestState | None] = ContextVar("request_state", default=None)


def enter_request(state: RequestState) -> None:
    """Make this the running request, in this task and in every task and thread that it starts."""
    _state.set(state)


def leave_request() -> None:
    """Say that no request is running."""
    _state.set(None)


def get_request() -> RequestState | None:
    """Return the running request, or nothing outside of one (scripts, start-up)."""
    return _state.get()


def get_request_id() -> str | None:
    """Return the id that the running request's answer and log lines carry."""
    state = _state.get()
    return state.request_id if state else None


def get_client_address() -> str | None:
    """Return the address of the client; a proxy's word for it counts only from TRUSTED_PROXIES."""
    state = _state.get()
    return state.client_address if state else None


def get_current_tenant() -> TenantContext | None:
    """Return the tenant of the running request, once identity has found it."""
    state = _state.get()
    return state.tenant if state else None


def get_current_user_id() -> UUID | None:
    """Return the user of the running request, once identity has found it."""
    state = _state.get()
    return state.user_id if state else None


def set_current_tenant(tenant: TenantContext | None) -> None:
    """Say which tenant the running request acts in."""
    if state := _state.get():
        state.tenant = tenant


def set_current_user_id(user_id: UUID | None) -> None:
    """Say which user sent the running request."""
    if state := _state.get():
        state.user_id = user_id
