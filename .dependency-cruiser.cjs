/** Imports run one way (docs/architecture.md, 'Folders'). A layer may import those before it. */
const layers = [
  ['errors', 'durable', 'files', 'issues', 'leaving', 'nearest', 'printable', 'progress', 'version'],
  ['ir'],
  ['ops'],
  ['formats', 'passes', 'analysis'],
  ['target', 'config'],
  ['kernels'],
  ['plan'],
  ['codegen'],
  ['build'],
  ['device', 'flash'],
  ['profile'],
  ['report'],
  ['pipeline'],
  ['tune', 'compress'],
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
