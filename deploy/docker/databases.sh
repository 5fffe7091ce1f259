#!/bin/sh
# A role and a database for each service, as the stack without Docker makes them: each database
# belongs to its service's role and lets no other role in.
#
# PostgreSQL's image runs this once, when it makes its data directory. It may be run again at any
# time, for example after a password was changed in .env:
#   docker compose exec postgres /docker-entrypoint-initdb.d/databases.sh
set -eu

provide() {
	name=einlass_$1
	# The password goes through the environment: arguments can be read by any process.
	DATABASE_PASSWORD=$2 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set name="$name" \
		--username "${POSTGRES_USER:-postgres}" --dbname postgres <<-'SQL'
		\getenv password DATABASE_PASSWORD
		SELECT format('CREATE ROLE %I', :'name')
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
		ALTER ROLE :"name" LOGIN PASSWORD :'password';
		SELECT format('CREATE DATABASE %I OWNER %I ENCODING ''UTF8'' TEMPLATE template0', :'name', :'name')
		WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
		REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
	SQL
}

provide registration "${EINLASS_REGISTRATION_DB_PASSWORD:?is not set}"
provide waitlist "${EINLASS_WAITLIST_DB_PASSWORD:?is not set}"
provide notifications "${EINLASS_NOTIFICATIONS_DB_PASSWORD:?is not set}"
