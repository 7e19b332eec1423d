#!/usr/bin/env bash
# postgres_local.sh: a real PostgreSQL server in a folder, for tests. Loopback and a unix socket only, no password.
#
#   postgres_local.sh start DIR [PORT]   make the cluster if DIR has none, start, wait until it answers; prints HOST:PORT/DB
#   postgres_local.sh stop  DIR          fast shutdown; the data stays
#   postgres_local.sh kill  DIR          kill -9 of the server and all its processes, as a lost machine; the data stays
#   postgres_local.sh status DIR         prints HOST:PORT/DB when it runs; fails otherwise
#
# PORT 0 (the default) picks a free one; a restart in the same DIR keeps it. As root the server runs as the user postgres.
# The data need not outlive the machine, so nothing is synced to the disk; a killed server loses nothing all the same.
set -euo pipefail

die() { echo "postgres_local: $*" >&2; exit 1; }
usage() { sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2" 2>/dev/null || [ -d "$2" ] || die "the folder $2 cannot be made"
dir=$(cd "$2" && pwd)
data=$dir/data

bin=${POSTGRES_BIN:-}
if [ -z "$bin" ]; then
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
  [ -n "$bin" ] || die "PostgreSQL is not installed; run ./dev build, or apt-get install postgresql"
fi

as_server=()
if [ "$(id -u)" = 0 ]; then
  user=postgres; id "$user" >/dev/null 2>&1 || user=nobody
  as_server=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups --)
  chown "$user" "$dir"
fi
run() { (cd "$dir" && LC_ALL=C.UTF-8 ${as_server[@]+"${as_server[@]}"} "$@"); }

lives() { # a killed process that nobody has waited for is not alive
  kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null
}
server_pid() { # of a server that lives
  local pid
  pid=$(head -1 "$data/postmaster.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && lives "$pid" && echo "$pid"
}
address() { echo "127.0.0.1:$(cat "$dir/port")/postgres"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
  local port=${1:-0} try
  if server_pid >/dev/null; then address; return; fi
  rm -f "$data/postmaster.pid"  # of a server that is dead, perhaps unburied: PostgreSQL would take it for alive
  if [ ! -f "$data/PG_VERSION" ]; then
    run "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; die "initdb failed"; }
  fi
  [ -f "$dir/port" ] && [ "$port" = 0 ] && port=$(cat "$dir/port")
  for try in 1 2 3; do
    [ "$port" = 0 ] && port=$(free_port)
    echo "$port" >"$dir/port"
    # Sockets have short paths only; the folder may be deep.
    local socket; socket=$(mktemp -d /tmp/pg-XXXXXX); [ "$(id -u)" = 0 ] && chown "$user" "$socket"
    rm -rf "$(cat "$dir/socket" 2>/dev/null || echo "$socket.none")"; echo "$socket" >"$dir/socket"
    if run "$bin/pg_ctl" -D "$data" -w -t 60 -s -l "$dir/server.log" start \
        -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$socket -c fsync=off -c full_page_writes=off -c synchronous_commit=on -c shared_buffers=32MB -c max_connections=50 -c dynamic_shared_memory_type=mmap" >"$dir/start.log" 2>&1; then
      address; return
    fi
    grep -q 'Address already in use' "$dir/server.log" || break
    port=0
  done
  tail -n 5 "$dir/server.log" >&2; tail -n 5 "$dir/start.log" >&2
  die "the server did not start; see $dir/server.log"
}

stop() {
  server_pid >/dev/null || return 0
  run "$bin/pg_ctl" -D "$data" -w -t 30 -s -m fast stop >"$dir/stop.log" 2>&1 || { cat "$dir/stop.log" >&2; die "the server did not stop"; }
  rm -rf "$(cat "$dir/socket")"
}

kill_all() {
  local pid children
  pid=$(server_pid) || return 0
  children=$(ps -o pid= --ppid "$pid" || true)
  kill -9 "$pid" $children 2>/dev/null || true
  # The next start needs the shared memory's users gone.
  for pid in "$pid" $children; do
    while lives "$pid"; do read -rt 0.02 <> <(:) || true; done
  done
}

case $verb in
  start) start "${3:-0}" ;;
  stop) stop ;;
  kill) kill_all ;;
  status) server_pid >/dev/null || die "no server runs in $dir"; address ;;
  *) usage ;;
esac
