#!/usr/bin/env bash
# Installs what the end-to-end tests need on a Debian machine: Chromium, Node.js with ws, Python's websockets, nginx,
# HAProxy, Caddy, the forward proxies tinyproxy and Dante, iproute2 and nftables for networks that fail, curl, the shells
# zsh and fish, and what shows manual pages. Run as root. It starts no service and does nothing where everything is there
# already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

packages=()
need() { # COMMAND PACKAGE...: install the packages if the command fails
  local command=$1
  shift
  bash -c "$command" >/dev/null 2>&1 || packages+=("$@")
}

need 'command -v chromium' chromium fonts-dejavu-core
need 'command -v node' nodejs
need 'command -v npm' npm
need '/usr/bin/python3 -c "import websockets"' python3 python3-websockets
need 'command -v nginx || test -x /usr/sbin/nginx' nginx-light
need 'command -v haproxy || test -x /usr/sbin/haproxy' haproxy
need 'command -v caddy' caddy
need 'command -v tinyproxy' tinyproxy-bin
need 'command -v danted || test -x /usr/sbin/danted' dante-server
need 'command -v ip || test -x /usr/sbin/ip' iproute2
need 'command -v nft || test -x /usr/sbin/nft' nftables
need 'command -v curl' curl ca-certificates
need 'command -v zsh' zsh
need 'command -v fish' fish
need 'command -v man && command -v groff' man-db groff
need 'command -v mandoc' mandoc
need 'command -v systemd-analyze' systemd

if ((${#packages[@]})); then
  if ! command -v apt-get >/dev/null; then
    echo "install.sh knows Debian only; install these another way: ${packages[*]}" >&2
    exit 1
  fi
  # Packages of servers would start them; a policy file is Debian's way to say no.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get -o DPkg::Lock::Timeout=300 update -q
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "${packages[@]}"
fi

(cd peers/node && npm ci)

chromium --version
echo "node $(node --version), $(node -p '"ws " + require("./peers/node/node_modules/ws/package.json").version')"
/usr/bin/python3 -c 'import sys, websockets.version as w; print("python", sys.version.split()[0] + ", websockets", w.version)'
PATH=$PATH:/usr/sbin:/sbin
nginx -v
haproxy -v | sed -n 1p # head would end early, and haproxy by a signal
echo "caddy $(caddy version)"
tinyproxy -v
danted -v
ip -V
nft --version
curl --version | sed -n 1p
zsh --version
fish --version
man --version
