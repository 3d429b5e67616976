/**
 * Imports run one way (docs/architecture.md, 'Folders'). A layer may import those before it. The floors
 * are compiler/, boards/, compress/ and the command line with its report and pipeline.
 */
const layers = [
  ['bytes', 'errors', 'limits', 'paths', 'printable'],
  ['durable', 'files', 'issues', 'leaving', 'nearest', 'optional', 'package', 'progress'],
  ['compiler/ir'],
  ['compiler/ops'],
  ['compiler/formats', 'compiler/passes', 'compiler/analysis'],
  ['compiler/kernels'],
  ['compiler/plan'],
  ['compiler/codegen'],
  ['compiler/index'],
  ['boards/target', 'config', 'model-file'],
  ['boards/project'],
  ['boards/build'],
  ['boards/device', 'boards/flash'],
  ['boards/profile'],
  ['boards/tune'],
  ['report'],
  ['pipeline'],
  ['compress'],
  ['cli'],
];

const path = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

module.exports = {
  forbidden: [
    ...layers.slice(0, -1).map((names, i) => ({
      name: `${names[0]}-imports-upwards`,
      severity: 'error',
      from: { path: path(names) },
      to: { path: path(layers.slice(i + 1).flat()) },
    })),
    {
      name: 'compiler-needs-no-node',
      comment: 'it runs in a browser (test/compiler/browser.test.ts)',
      severity: 'error',
      from: { path: path([...(layers[0] ?? []), 'compiler']) },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-dev-dependency-in-product',
      severity: 'error',
      from: { path: '^src' },
      // Users install TensorFlow's native backend themselves (setup.sh --native-training).
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], pathNot: 'tfjs-node' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
