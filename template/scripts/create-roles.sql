-- Creates the database and its two roles, or puts right what differs. Run it by psql (14 or later) as often as you like:
--
--   DATABASE=app OWNER=app_owner OWNER_PASSWORD=... APP=app_app APP_PASSWORD=... \
--     psql --set ON_ERROR_STOP=1 --file scripts/create-roles.sql
--
-- The names come from the environment: a command line would show the passwords to everybody on the machine.
-- The owner owns the tables and migrates them. The application's role may read and write rows, and neither
-- change a table nor pass by row-level security. Neither is a superuser; the connection that runs this must
-- be one, or (on managed PostgreSQL 16 and later) have CREATEROLE and CREATEDB.

\getenv database DATABASE
\getenv owner OWNER
\getenv owner_password OWNER_PASSWORD
\getenv app APP
\getenv app_password APP_PASSWORD

SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY[:'owner', :'app']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec

ALTER ROLE :"owner" LOGIN NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
ALTER ROLE :"app" LOGIN NOCREATEDB NOCREATEROLE PASSWORD :'app_password';

-- Only a superuser may say these, and only a superuser could have granted them.
SELECT format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOREPLICATION', role)
FROM unnest(ARRAY[:'owner', :'app']) AS role
WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
\gexec

-- Who is no superuser must be a member of a role to create something for it.
SELECT format('GRANT %I TO %I', :'owner', current_user)
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

\connect :"database"

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"app";

-- The database's owner owns the schema `public` by way of pg_database_owner.
SET ROLE :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"app";

-- What is there, as after a restore, and what migrations will bring.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"app";
