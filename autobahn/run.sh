#!/usr/bin/env bash
# Runs the original Autobahn TestSuite in Docker: against "hawser echo" as its client (mode server), against "hawser
# testee" as its server (mode client). Then it runs the kit on the same cases and tells what differs. README.md tells
# more. The bash of macOS, 3.2, has to be enough.
set -euo pipefail

die() { # MESSAGE: say why there is nothing to judge
  printf 'autobahn/run.sh: %s\n' "$1" >&2
  exit 2
}

mode=${1:-both}
if (($# > 1)) || [[ ! $mode =~ ^(server|client|both)$ ]]; then
  die 'usage: autobahn/run.sh [server|client|both]'
fi
docker=${DOCKER:-docker}
image=${AUTOBAHN_IMAGE:-crossbario/autobahn-testsuite}
command -v "$docker" >/dev/null ||
  die "there is no \"$docker\" on PATH: the original TestSuite runs in Docker, which has to be installed first"
"$docker" info >/dev/null 2>&1 ||
  die "\"$docker info\" fails: the engine of Docker does not run, or this user may not use it"
command -v go >/dev/null || die 'there is no "go" on PATH: hawser is built with it'

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
reports=${AUTOBAHN_REPORTS:-$root/autobahn/reports}
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)
# Here and not in /tmp, since a virtual machine with the engine in it shows containers little more than the home.
tmp=$(mktemp -d "$reports/.run.XXXXXX")
container=''
failed=0

cleanup() {
  local pids
  trap '' INT TERM HUP
  if [[ -n $container ]]; then
    "$docker" rm --force "$container" >/dev/null 2>&1 || true
  fi
  pids=$(jobs -p)
  if [[ -n $pids ]]; then
    # shellcheck disable=SC2086 # one word for each process
    kill $pids 2>/dev/null || true
    wait || true
  fi
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# attended COMMAND...: run it so that a signal is heeded at once and not when it has ended.
attended() {
  "$@" &
  wait $!
}

build() {
  (cd "$root" && CGO_ENABLED=0 go build -o "$tmp/" ./cmd/hawser) || die 'hawser was not built'
}

# free_port: print a port that nobody listens on. No system takes the local port of an outgoing connection from among
# these, so that one that is free now is still free when the suite listens on it, unless another server is faster.
free_port() {
  local port tries
  for tries in {1..100}; do
    port=$((20000 + RANDOM % 10000))
    if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  die 'there is no free port'
}

# write_spec ROLE URL: put the spec of a role into the temporary directory, with URL for its server's, and with the
# cases of AUTOBAHN_CASES if there are any.
write_spec() {
  local edits=(-e "s|\"url\": *\"[^\"]*\"|\"url\": \"$2\"|")
  if [[ -n ${AUTOBAHN_CASES:-} ]]; then
    edits+=(-e "s|\"cases\": *\[[^]]*\]|\"cases\": [\"${AUTOBAHN_CASES//,/\", \"}\"]|")
  fi
  mkdir -p "$tmp/config"
  sed "${edits[@]}" "$root/autobahn/config/$1.json" >"$tmp/config/$1.json"
}

fetch_image() {
  "$docker" image inspect "$image" >/dev/null 2>&1 || attended "$docker" pull "$image" || die "there is no image $image"
}

# Linux shares its network with the container. Elsewhere the engine is in a virtual machine: a container reaches this
# machine under a name, and is reached through a port that is published. It is the same inside and outside, since the
# suite wants to see its own port in the Host header.
host=127.0.0.1
on_linux() { [[ $(uname -s) == Linux ]]; }
on_linux || host=host.docker.internal

# start_suite ROLE OUT URL: start the suite as fuzzingclient or fuzzingserver with the spec of that name, for a report
# in the directory OUT, which is emptied: a report of an earlier run must not be judged.
start_suite() {
  local role=$1 out=$2 url=$3 flags command
  write_spec "$role" "$url"
  rm -rf "${reports:?}/$out"
  mkdir "$reports/$out"
  container=hawser-$role-$$
  flags=(--rm --name "$container")
  if on_linux; then
    flags+=(--network host)
  elif [[ $role == fuzzingserver ]]; then
    flags+=(--publish "127.0.0.1:${url##*:}:${url##*:}")
  fi
  flags+=(--mount "type=bind,source=$tmp/config,target=/config,readonly")
  flags+=(--mount "type=bind,source=$reports,target=/reports")
  command=(wstest --mode "$role" --spec "/config/$role.json")
  if [[ $role == fuzzingserver ]]; then
    command+=(--webport 0) # no web page of its own, for which it would take port 8080
  fi
  "$docker" run "${flags[@]}" "$image" "${command[@]}" >"$reports/$out/wstest.log" 2>&1 &
  suite=$!
}

# suite_failed OUT WHAT: show the end of what the suite said.
suite_failed() {
  tail -n 20 "$reports/$1/wstest.log" >&2
  die "$2 (its output is above, all of it in $reports/$1/wstest.log)"
}

# run_kit OUT VERB ARGUMENT...: have the kit run the same cases, for a report of its own. Its verdict is not ours.
run_kit() {
  local out=$1 status=0
  shift
  rm -rf "${reports:?}/kit/$out"
  mkdir -p "$reports/kit/$out"
  attended "$tmp/hawser" conform "$@" --out "$reports/kit/$out" >"$reports/kit/$out/kit.log" 2>&1 || status=$?
  if ((status > 1)); then
    tail -n 20 "$reports/kit/$out/kit.log" >&2
    die 'the kit did not run'
  fi
}

judge() { # ROLE OUT
  local status=0
  "$tmp/hawser" conform judge --strict --spec "$tmp/config/$1.json" --diff "$reports/kit/$2" "$reports/$2" || status=$?
  case $status in
    0) ;;
    1) failed=1 ;;
    *) exit 2 ;;
  esac
  echo "report: $reports/$2/index.html, of the kit: $reports/kit/$2/index.html"
}

test_server() {
  local port='' status=0 echo_server
  : >"$tmp/echo.log" # it is read before its writer has begun
  "$tmp/hawser" echo --compress --addr 127.0.0.1:0 2>"$tmp/echo.log" &
  echo_server=$!
  while [[ -z $port ]]; do
    kill -0 "$echo_server" 2>/dev/null || die "hawser echo has ended: $(<"$tmp/echo.log")"
    port=$(sed -n 's|.*listening on ws://127\.0\.0\.1:\([0-9][0-9]*\)/.*|\1|p' "$tmp/echo.log")
    sleep 0.1
  done
  echo "== server: the suite tests hawser echo on port $port; this takes minutes"
  start_suite fuzzingclient servers "ws://$host:$port"
  wait "$suite" || status=$?
  container=''
  ((status == 0)) || suite_failed servers "the suite ended with code $status"
  run_kit servers server --spec "$tmp/config/fuzzingclient.json" "ws://127.0.0.1:$port"
  kill "$echo_server"
  wait "$echo_server" || true
  judge fuzzingclient servers
}

# await_suite URL: wait until the suite, which has its own starting time, answers a client.
await_suite() {
  local answer='' tries=0
  until [[ $answer =~ ^[0-9]+$ ]]; do
    kill -0 "$suite" 2>/dev/null || suite_failed clients 'the suite has ended before it was asked anything'
    ((++tries <= 300)) || suite_failed clients 'the suite does not answer'
    sleep 0.2
    answer=$("$tmp/hawser" connect -n 1 -w 10s "$1/getCaseCount" </dev/null 2>/dev/null) || true
  done
  echo "== client: the suite tests hawser testee with $answer cases; this takes minutes"
}

test_client() {
  local url status=0
  url=ws://127.0.0.1:$(free_port)
  start_suite fuzzingserver clients "$url"
  await_suite "$url"
  attended "$tmp/hawser" testee --url "$url" --agent hawser || status=$?
  "$docker" stop "$container" >/dev/null || die "the container $container does not stop"
  wait "$suite" || true # being stopped is its only end
  container=''
  if ((status == 0)); then
    run_kit clients client --spec "$tmp/config/fuzzingserver.json" --listen 127.0.0.1:0 \
      --exec "'$tmp/hawser' testee --url {url} --agent hawser"
    judge fuzzingserver clients
  else
    echo "hawser testee ended with code $status before there was a report; see $reports/clients/wstest.log"
    failed=1
  fi
}

build
fetch_image
if [[ $mode != client ]]; then test_server; fi
if [[ $mode != server ]]; then test_client; fi
if ((failed)); then
  echo 'FAILED'
  exit 1
fi
echo 'passed'
