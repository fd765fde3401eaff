#!/usr/bin/env bash
# Fetches the browser assets of package-lock.json with npm and puts those that pages use into static/vendor, where the build
# embeds them; what only tests use stays in node_modules. Does nothing when they are there already. Without npm the build
# goes on without them: every page works.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=static/vendor/.from-lock
if [ -f static/vendor/htmx.min.js ] && [ -f node_modules/axe-core/axe.min.js ] && cmp -s package-lock.json "$wanted"; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "npm is not installed: building without htmx; the pages work without it" >&2
  exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp node_modules/htmx.org/dist/htmx.min.js static/vendor/htmx.min.js
cp package-lock.json "$wanted"
