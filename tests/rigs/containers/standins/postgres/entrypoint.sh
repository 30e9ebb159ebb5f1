#!/bin/sh
# The part of the official image's entry point that people use: create the cluster, its user and its database.
set -eu
if [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
if [ "$1" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec gosu postgres "$0" "$@"
fi

setting() { # NAME DEFAULT: the variable NAME, or what is in the file that NAME_FILE names
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    printf %s "${value:-$2}"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    password=$(setting POSTGRES_PASSWORD "")
    if [ -z "$password" ]; then echo "POSTGRES_PASSWORD is not set." >&2; exit 1; fi
    given=$(mktemp)
    printf '%s\n' "$password" >"$given"
    # shellcheck disable=SC2086 # several options
    initdb --username="$user" --pwfile="$given" --auth-host=scram-sha-256 --auth-local=trust ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm "$given"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl -w start -o "-c listen_addresses=''" >/dev/null
    if [ "$database" != postgres ]; then createdb --username="$user" "$database"; fi
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
        *.sh) "$script" ;;
        *.sql) psql --username="$user" --dbname="$database" --set=ON_ERROR_STOP=1 --file="$script" ;;
        esac
    done
    pg_ctl -w -m fast stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
