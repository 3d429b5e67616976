#!/usr/bin/env bash
# Set-up, then everything: lint, types, unit, property and simulator tests, a file on each core.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
npm run --silent lint
npm run --silent typecheck
npx mocha --parallel --jobs "$(nproc)" "$@"
