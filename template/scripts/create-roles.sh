#!/bin/sh
# Run by the PostgreSQL image once, when its volume is empty: makes the database and its two roles.
# Environment: POSTGRES_USER (the superuser), DATABASE, OWNER, OWNER_PASSWORD, APP, APP_PASSWORD.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --quiet \
  --set "database=$DATABASE" --set "owner=$OWNER" --set "owner_password=$OWNER_PASSWORD" \
  --set "app=$APP" --set "app_password=$APP_PASSWORD" --file /scripts/create-roles.sql
