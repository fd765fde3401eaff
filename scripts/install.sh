#!/usr/bin/env bash
# Makes sure that what building and testing need is there: Go, a C compiler (race detector), PostgreSQL's server, Chromium,
# OpenSSL, curl, Node and its npm, and for the programs of docs/partners.md Python's cryptography and a JDK. As root on
# Debian it installs what is missing; otherwise it says what to install.
set -euo pipefail

have() { command -v "$1" >/dev/null; }
have_cryptography() { python3 -c 'import cryptography' 2>/dev/null || /usr/bin/python3 -c 'import cryptography' 2>/dev/null; }
have_server() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

missing=()
have_server || missing+=(postgresql)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
have openssl || missing+=(openssl)
have curl || missing+=(curl)
have gcc || missing+=(gcc libc6-dev)
have git || missing+=(git)
have npm || missing+=(npm)
have node || missing+=(nodejs)
have javac || missing+=(default-jdk-headless)
have_cryptography || missing+=(python3-cryptography)

if ! have go; then
    echo "scripts/install.sh: Go is missing; install the version that go.mod names" >&2
    exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! have apt-get; then
    echo "scripts/install.sh: please install: ${missing[*]}" >&2
    echo "    on Debian and Ubuntu: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
