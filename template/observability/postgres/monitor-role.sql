-- The role as which the exporter reads PostgreSQL's statistics; run again at every start, so that a changed password counts.
-- pg_monitor shows statistics of all databases and no table's rows.
SELECT 'CREATE ROLE monitor' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitor')
\gexec

ALTER ROLE monitor LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS CONNECTION LIMIT 5 PASSWORD :'password';
GRANT pg_monitor TO monitor;
