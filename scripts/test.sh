#!/usr/bin/env bash
# Set-up, then everything: lint, types, unit, property and simulator tests, a file on each core.
#
#     npm test                        all
#     npm run test:quick              about three minutes on two cores: lint, types, and the tests that need no
#                                     compiler and no simulator
#     npm test -- test/kernels/mve/mve.test.ts -g residual
set -euo pipefail
cd "$(dirname "$0")/.."

quick=
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
  # Nothing is compiled: Node's packages are enough.
  [ -d node_modules ] || npm ci --no-progress >&2
else
  bash scripts/setup.sh --tests
fi
# Each takes one core.
npm run --silent lint & lint=$!
npm run --silent typecheck || { wait; exit 1; }
wait "$lint"

options=() files=()
for argument in "$@"; do
  if [[ $argument == *.test.ts ]]; then files+=("$argument"); else options+=("$argument"); fi
done
if [ ${#files[@]} = 0 ]; then
  # The slowest first, so that all cores have something to do until the end: 70 CPU-s, then 45,
  # down to 8.
  slow=(
    test/boards test/kernels/dsp/dsp test/cli/cli test/tune/tune test/kernels/mve/mve
    test/plan/faithful test/flash/reliability test/plan/speed test/codegen/halves test/cli/environment test/build/killed
    test/kernels/layout/residual test/kernels/dsp/sparse test/kernels/thumb1/depthwise
    test/plan/plan test/kernels/swar/conv2d test/codegen/random-graphs test/kernels/encoding/packed
    test/kernels/swar/sparse test/twin test/kernels/mve/sparse test/ops/conv2d
    test/kernels/encoding/pairs test/ops/fully_connected test/plan/fit
    test/codegen/overlap test/ops/depthwise_conv2d test/report/budgets
    test/profile/mutations test/kernels/thumb1/conv2d test/kernels/thumb1/convolution
    test/device/second-core test/docs/readme-commands test/docs/readme-status test/bench/figures
    test/flash/esptool
  )
  mapfile -t files < <({ printf '%s.test.ts\n' "${slow[@]}"; find test -name '*.test.ts' | sort; } |
    awk '!seen[$0]++')
fi
if [ -n "$quick" ]; then
  # Files that compile, simulate or start the command line reach for one of these.
  tools='support/(native|execute|board|both|cli|esptool|firmware|halves|operator|pty|qemu|thumb|readme-folder)|bench/models|buildProject|/tune/|qemu-system|src/cli\.ts'
  mapfile -t files < <(grep -LE "$tools" "${files[@]}" |
    # Whole models on several boards, planned twice each; 200 seeds of each fault.
    grep -vE '^test/(plan/(faithful|speed)|flash/reliability)')
  if [ ${#files[@]} = 0 ]; then
    echo 'test:quick: each of these files compiles, simulates or starts the command line: npm test -- FILE' >&2
    exit 1
  fi
  # Properties whose cases take long try a quarter of them.
  export TEST_RUNS_SHARE=0.25
fi
npx mocha --parallel --jobs "$(nproc)" --reporter test/support/reporter.cjs \
  --reporter-option "files=${#files[@]}" "${options[@]}" "${files[@]}"
