// A record indexed by text from a model, a board or a user also finds properties of every object
// ('constructor', '__proto__'), so such text must be looked up in a Map. Only the records below,
// whose keys are all written in this project, may be indexed by a string. Part of `npm run lint`.
import { relative } from 'node:path';
import ts from 'typescript';

/** File and record. Their keys are names of template parameters, attributes and tables. */
const ours = new Set([
  'src/cli/lists.ts row',
  'src/compiler/codegen/describe.ts attrs',
  'src/compiler/codegen/kernels.ts context',
  'src/compiler/codegen/kernels.ts flags',
  'src/compiler/codegen/kernels.ts numbers',
  'src/compiler/codegen/kernels.ts routines',
  'src/compiler/codegen/kernels.ts symbols',
  'src/compiler/codegen/kernels.ts tables',
  'src/compiler/formats/tflite/rows.ts all',
  'src/compiler/formats/tflite/rows.ts attrs',
  'src/compiler/passes/stream-rules.ts attrs',
  'src/compiler/plan/choose/code-size.ts kernels',
  'src/compiler/kernels/calls.ts routines',
  'src/compiler/kernels/calls.ts tables',
  'src/compiler/plan/choose/candidates.ts balanced',
  'src/compiler/plan/choose/candidates.ts costs',
  'src/compiler/plan/choose/candidates.ts measured',
  'src/boards/tune/fit.ts counts',
  'src/boards/tune/trials.ts outputQuants',
  'src/boards/tune/trials.ts patterns',
  'src/compiler/formats/flatbuffer-writer.ts values',
  'src/compiler/formats/tflite/writers.ts attrs',
  'src/compiler/formats/tflite/write.ts attrs',
  'src/compiler/formats/tflite/write.ts back',
  'src/compiler/formats/tflite/write.ts wrote',
]);

const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
const sources = fileNames.filter((name) => name.startsWith('src/') || name.includes('/src/'));
const program = ts.createProgram(sources, options);
const checker = program.getTypeChecker();

const isText = (type) =>
  type.isUnion() ? type.types.some(isText) : (type.flags & ts.TypeFlags.String) !== 0;

/** The record and the key of `record[key]` or `key in record`. */
function accessOf(node) {
  if (ts.isElementAccessExpression(node)) return [node.expression, node.argumentExpression];
  const isIn = ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword;
  return isIn ? [node.right, node.left] : null;
}

/** 'tables' of `call.tables`, 'costs' of `costs[goal]`. */
function lastName(expression) {
  if (ts.isElementAccessExpression(expression)) return lastName(expression.expression);
  return (ts.isPropertyAccessExpression(expression) ? expression.name : expression).getText();
}

const found = [];
for (const name of sources) {
  const source = program.getSourceFile(name);
  const visit = (node) => {
    const access = accessOf(node);
    if (access !== null && isText(checker.getTypeAtLocation(access[1]))) {
      const path = relative('.', name).replaceAll('\\', '/');
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      if (!ours.has(`${path} ${lastName(access[0])}`)) {
        found.push(`${path}:${line + 1}: ${node.getText()}: look text up in a Map`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}
for (const line of found) console.error(line);
process.exitCode = found.length === 0 ? 0 : 1;
