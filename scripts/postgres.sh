#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL, whose URL is in TEST_POSTGRES_URL, and removes it afterwards:
#     scripts/postgres.sh go test ./...
# Without a command it prints the URL and keeps running until Ctrl-C.
# POSTGRES_BUFFERS is its shared memory for pages (256MB).
# --durable keeps PostgreSQL's usual care for crashes, for measurements; without it tests are faster.
#
# It listens on a socket in a directory of its own, so it needs no port and nobody else can connect.
set -euo pipefail

durable=false
if [ "${1:-}" = --durable ]; then
    durable=true
    shift
fi

# Debian keeps the server's programs out of PATH.
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if command -v initdb >/dev/null; then
    bin=$(dirname "$(command -v initdb)")
fi
if [ -z "$bin" ]; then
    echo "scripts/postgres.sh: no PostgreSQL server found; run scripts/install.sh" >&2
    exit 1
fi

# PostgreSQL refuses to run as root.
as_owner() { "$@"; }
owner=$(id -un)
if [ "$(id -u)" = 0 ]; then
    owner=postgres
    as_owner() { (cd / && runuser -u postgres -- "$@"); }
fi

dir=$(mktemp -d /tmp/spar-postgres.XXXXXX) # short, for socket paths are limited to 107 characters
chown "$owner" "$dir"
server=
finish() {
    trap - EXIT
    if [ -n "$server" ]; then
        as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
    fi
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ! as_owner "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1; then
    cat "$dir/initdb.log" >&2
    exit 1
fi
settings="-c listen_addresses= -c unix_socket_directories=$dir -c max_connections=200 -c shared_buffers=${POSTGRES_BUFFERS:-256MB}"
if $durable; then
    # Room for the changes of some minutes, and a disk that seeks fast: what a server for this alone would be set to.
    settings="$settings -c max_wal_size=8GB -c random_page_cost=1.1"
else
    settings="$settings -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
fi
server=started
if ! as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -o "$settings" -w -t 60 start >"$dir/start.log" 2>&1; then
    cat "$dir/start.log" "$dir/server.log" >&2 || true
    exit 1
fi

export TEST_POSTGRES_URL="postgres://postgres@/postgres?host=$dir&sslmode=disable"
if [ $# -eq 0 ]; then
    echo "$TEST_POSTGRES_URL"
    while :; do sleep 3600 & wait $!; done
fi
"$@"
