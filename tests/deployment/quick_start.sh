#!/usr/bin/env bash
# The deployment guide's quick start, typed as it stands there, against a Docker engine: up, verify, word count, scale, stop.
#
#   tests/deployment/quick_start.sh [--from-source] [--keep]
#
#   --from-source   compile inside Docker, as a user does, instead of taking build/release
#   --keep          leave the stack running at the end
# Images that cannot be pulled are replaced by tools/standin_images.sh. The stack has a project name of its own, so that nothing of
# a stack that runs here is touched; its ports must be free (JOBMANAGER_REST_PORT, KAFKA_PORT, PROMETHEUS_PORT choose others).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
from_source='' keep='' passed=0
for argument in "$@"; do
  case $argument in --from-source) from_source=--from-source ;; --keep) keep=1 ;; *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;; esac
done
export COMPOSE_PROJECT_NAME=headrace-quick-start
rest_port=${JOBMANAGER_REST_PORT:-8081} kafka_port=${KAFKA_PORT:-9094} prometheus_port=${PROMETHEUS_PORT:-9090}

say() { printf '== %s\n' "$*"; }
fail() { printf 'quick_start: %s\n' "$*" >&2; exit 1; }
ok() { passed=$((passed + 1)); printf 'ok %d  %s\n' "$passed" "$*"; }
# eventually SECONDS WHAT COMMAND...: until the command succeeds
eventually() {
  local seconds=$1 what=$2 end=$((SECONDS + $1)) start=$SECONDS; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what: not within $seconds s"
    read -rt 0.3 <> <(:) || true
  done
  ok "$what ($((SECONDS - start)) s)"
}
docker info >/dev/null 2>&1 || fail "no Docker engine answers; start one (as root: apt-get install docker.io docker-compose, then dockerd)"
command -v docker-compose >/dev/null || docker-compose() { docker compose "$@"; }
for port in "$rest_port" "$kafka_port" "$prometheus_port"; do
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || fail "port $port is taken; set JOBMANAGER_REST_PORT, KAFKA_PORT or PROMETHEUS_PORT"
done

say images
here() { docker image inspect "$1" >/dev/null 2>&1 || timeout 300 docker pull -q "$1" >/dev/null 2>&1; }
here grafana/grafana-oss:latest || { export COMPOSE_PROFILES=; echo "Grafana's image cannot be had here: left out"; }
for pair in base=debian:bookworm-slim postgres=postgres:17 kafka=apache/kafka:4.1.0 prometheus=prom/prometheus:latest; do
  here "${pair#*=}" || "$root/tools/standin_images.sh" "${pair%%=*}"
done
"$root/tests/deployment/build_images.sh" $from_source

cd "$root/deployment"
finish() {
  local status=$?
  if [ $status != 0 ]; then
    docker-compose ps || true
    docker-compose logs --tail=25 jobmanager taskmanager1 2>/dev/null || true
  fi
  if [ -z "$keep" ]; then docker-compose down -v -t 5 >/dev/null 2>&1 || true; fi
}
trap finish EXIT
rest() { curl -fsS "http://localhost:$rest_port$1"; }
field() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
metric_is() { [ "$(rest /cluster/metrics | field "$1")" = "$2" ]; }
each_container() { # INSPECT FORMAT, WANTED
  local id
  for id in $(docker-compose ps -q); do [ "$(docker inspect -f "$1" "$id")" = "$2" ] || return 1; done
}
all_healthy() { each_container '{{.State.Health.Status}}' healthy; }
targets_up() { # JOB COUNT
  curl -fsS "http://localhost:$prometheus_port/api/v1/targets?state=active" | python3 -c "
import json, sys
up = [t for t in json.load(sys.stdin)['data']['activeTargets'] if t['labels']['job'] == '$1' and t['health'] == 'up']
sys.exit(len(up) != $2)"
}
inside() { docker-compose exec -T "$@"; }
project_leaves() {
  local label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  docker ps -aq --filter "$label"; docker volume ls -q --filter "$label"; docker network ls -q --filter "$label"
}

say "docker-compose up -d"
docker-compose up -d 2>&1 | tail -n 3
eventually 90 "every container is healthy" all_healthy
each_container '{{.RestartCount}}' 0 || fail "a container restarted"; ok "none restarted"

say verify
docker-compose ps
eventually 30 "3 TaskManagers are registered" metric_is total_task_managers 3
metric_is total_slots 12 || fail "$(rest /cluster/metrics)"; ok "12 slots: $(rest /cluster/metrics)"
docker-compose logs jobmanager 2>/dev/null | grep -q 8081 || fail "the JobManager's banner does not name its port"; ok "the JobManager's log has its banner"
heartbeat_logged() { docker-compose logs taskmanager1 2>/dev/null | grep -q heartbeat; }
eventually 75 "the TaskManager's log has a heartbeat line" heartbeat_logged
inside taskmanager1 nc -zv jobmanager 6123 || fail "no way to the JobManager"; ok "a TaskManager reaches the JobManager by nc"
inside jobmanager nc -zv postgres 5432 || fail "no way to PostgreSQL"; ok "the JobManager reaches PostgreSQL by nc"
! inside taskmanager1 nc -z -w 2 postgres 5432 2>/dev/null || fail "a TaskManager reaches PostgreSQL"; ok "a TaskManager does not reach PostgreSQL"
[ "$(inside taskmanager1 id -u)" != 0 ] || fail "runs as root"; ok "runs as a user of its own"
! inside taskmanager1 touch /opt/headrace/x 2>/dev/null || fail "the root file system is writable"; ok "the root file system is read-only"
rest /health >/dev/null; ok "health answers"
eventually 40 "Prometheus scrapes the JobManager" targets_up jobmanager 1
eventually 40 "Prometheus scrapes 3 TaskManagers" targets_up taskmanager 3

say "word count by curl"
"$root/.venv/bin/python" "$root/tests/deployment/count_words.py" "localhost:$rest_port" "localhost:$kafka_port" 20000 12; ok "word count at parallelism 12"

say "docker-compose up -d --scale taskmanager1=5"
docker-compose up -d --scale taskmanager1=5 2>&1 | tail -n 2
eventually 60 "7 TaskManagers are registered" metric_is total_task_managers 7
metric_is total_slots 28 || fail "$(rest /cluster/metrics)"; ok "28 slots"
ids=$(rest /taskmanagers | python3 -c "import json, sys; print(len({t['task_manager_id'] for t in json.load(sys.stdin)['task_managers']}))")
[ "$ids" = 7 ] || fail "$ids different ids"; ok "7 different ids"
eventually 60 "Prometheus scrapes 7 TaskManagers" targets_up taskmanager 7

say "docker-compose down, up"
start=$SECONDS
docker-compose down 2>&1 | tail -n 1
[ $((SECONDS - start)) -le 45 ] || fail "down took $((SECONDS - start)) s"; ok "down took $((SECONDS - start)) s"
docker-compose up -d 2>&1 | tail -n 1
eventually 90 "healthy again" all_healthy
eventually 30 "3 TaskManagers are registered again" metric_is total_task_managers 3
rest /jobs | grep -q FINISHED || fail "the finished job is forgotten"; ok "the finished job is still known"

if [ -z "$keep" ]; then
  say "docker-compose down -v"
  docker-compose down -v 2>&1 | tail -n 1
  [ -z "$(project_leaves)" ] || fail "left behind: $(project_leaves)"; ok "nothing is left"
fi
echo "$passed passed"
