/** What the platform's endpoints answer, in the names of the API. A module keeps its own types beside its calls. */

/** GET /auth/config */
export interface AuthConfig {
  issuer: string;
  client_id: string;
  scope: string;
}

/** GET /auth/me */
export interface Me {
  subject: string;
  email: string | null;
  name: string | null;
  role: string | null;
  scopes: string[];
  /** Absent for administrators of the platform, who belong to no tenant. */
  tenant: Tenant | null;
}

export interface Tenant {
  id: string;
  slug: string;
  name: string;
}

/** GET /health/ready */
export interface Readiness {
  status: string;
  database: string;
  redis: string;
}

/** One page of a list; `next_cursor` is null on the last. */
export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}
