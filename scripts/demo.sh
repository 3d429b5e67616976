#!/usr/bin/env bash
# Set-up, then the example on the simulated RP2040: compiled, built, flashed, run, checked, profiled.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
npm run --silent build
exec node dist/cli.js run examples/activity/activity.tflite --target rp2040 --port sim \
  --vectors examples/activity/vectors.json --labels examples/activity/labels.json -o build/activity "$@"
