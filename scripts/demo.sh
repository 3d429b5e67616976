#!/usr/bin/env bash
# Set-up, then the example on the simulated RP2040: compiled, built, flashed, run, checked, profiled.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
# What was built of the same sources is taken as it is; tsc writes all files anew.
if [ ! -e dist/cli.js ] || [ -n "$(find src package.json tsconfig.json tsconfig.build.json -newer dist/cli.js -print -quit)" ]; then
  npm run --silent build
fi
exec node dist/cli.js run examples/activity/activity.tflite --target rp2040 --port sim \
  --vectors examples/activity/vectors.json --labels examples/activity/labels.json -o build/activity "$@"
