/** The places where a source can be changed, each with its change. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';

/** What an operator becomes: boundaries move, sums and both kinds of "and" change sides. */
const operators = {
  ...{ '<': '<=', '<=': '<', '>': '>=', '>=': '>', '===': '!==', '!==': '===' },
  ...{ '+': '-', '-': '+', '*': '/', '/': '*', '%': '*', '**': '*' },
  ...{ '<<': '>>', '>>': '<<', '>>>': '<<', '&': '|', '|': '&', '^': '|' },
  ...{ '&&': '||', '||': '&&', '??': '&&', '+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=' },
};
const methods = {
  ...{ min: 'max', max: 'min', floor: 'ceil', ceil: 'floor', some: 'every', every: 'some' },
  ...{ find: 'findLast', findLast: 'find', startsWith: 'endsWith', endsWith: 'startsWith' },
};
/** A call of these gives what it is called on. */
const dropped = new Set(['filter', 'slice', 'sort', 'toSorted', 'reverse', 'toReversed']);
const isTruth = /^(<=?|>=?|===|!==|&&|\|\||!)$/;

/**
 * All changes of a file: `from` to `to` becomes `text`, and `at` is the expression or statement
 * that it belongs to.
 *
 * @param isWanted whether a node's own changes count; those of its children are asked for anew
 */
export function changesOf(path, isWanted = () => true) {
  const source = ts.createSourceFile(
    path,
    readFileSync(path, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const changes = [];
  const add = (node, part, text) => {
    const [from, to] = [part.getStart(source), part.getEnd()];
    const { line, character } = source.getLineAndCharacterOfPosition(from);
    const was = source.text.slice(from, to).replace(/\s+/g, ' ');
    const place = `${path}:${line + 1}:${character + 1}`;
    const isStatement = ts.isStatement(node);
    changes.push({
      path,
      from,
      to,
      text,
      place,
      was,
      isStatement,
      at: [node.getStart(source), node.getEnd()],
    });
  };
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (isWanted(node)) for (const [part, text] of changesAt(node, source)) add(node, part, text);
    node.forEachChild(visit);
  };
  source.forEachChild(visit);
  return changes;
}

/** Parts of a node, each with the text that replaces it. */
function changesAt(node, source) {
  const own = [];
  const swap = (token, table) => {
    const other = Object.hasOwn(table, token.getText(source)) ? table[token.getText(source)] : null;
    if (other !== null) own.push([token, other]);
  };
  if (ts.isBinaryExpression(node)) swap(node.operatorToken, operators);
  if (isBoolean(node, source)) own.push([node, 'true'], [node, 'false']);
  if (node.kind === ts.SyntaxKind.TrueKeyword) own.push([node, 'false']);
  if (node.kind === ts.SyntaxKind.FalseKeyword) own.push([node, 'true']);
  if (ts.isPrefixUnaryExpression(node) && /^[!~-](?!-)/.test(node.getText(source))) {
    own.push([node, node.operand.getText(source)]);
  }
  if (ts.isNumericLiteral(node) && !isNoValue(node)) own.push([node, `${Number(node.text) + 1}`]);
  if (ts.isBigIntLiteral(node)) own.push([node, `${BigInt(node.text.slice(0, -1)) + 1n}n`]);
  if (ts.isArrayLiteralExpression(node) && node.elements.length > 0 && !isTarget(node)) {
    own.push([node, '[]']);
  }
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression;
    swap(name, methods);
    if (dropped.has(name.text)) own.push([node, expression.getText(source)]);
  }
  if (ts.isExpressionStatement(node) || ts.isContinueStatement(node) || ts.isBreakStatement(node)) {
    own.push([node, ';']);
  }
  return own;
}

/** A comparison, a logical operation or a condition. */
function isBoolean(node, source) {
  const { parent } = node;
  if (ts.isBinaryExpression(node) && isTruth.test(node.operatorToken.getText(source))) return true;
  if (ts.isIfStatement(parent)) return parent.expression === node;
  return ts.isConditionalExpression(parent) && parent.condition === node;
}

/** A property's name, or what types ask for where an element that exists is read: `list[i] ?? 0`, `[a = 0]`. */
function isNoValue(node) {
  const { parent } = node;
  if (ts.isPropertyAssignment(parent)) return parent.name === node;
  if (ts.isBindingElement(parent)) return ts.isArrayBindingPattern(parent.parent);
  const value = ts.isPrefixUnaryExpression(parent) ? parent : node;
  return isRightOf(value, ts.SyntaxKind.QuestionQuestionToken);
}

function isRightOf(node, kind) {
  const { parent } = node;
  return (
    ts.isBinaryExpression(parent) && parent.operatorToken.kind === kind && parent.right === node
  );
}

/** [a, b] = … */
function isTarget(node) {
  const { parent } = node;
  return isRightOf(parent.right ?? node, ts.SyntaxKind.EqualsToken) && parent.left === node;
}

/**
 * Whether a node of a kernel's file decides if a variant applies: `match`, functions that say yes or
 * no or may give null, and the limits of the module; without what a chosen kernel makes.
 */
export function isCondition(node) {
  for (let at = node; at !== undefined; at = at.parent) {
    const name = at.name?.getText?.() ?? '';
    if (/^(work|calls|words|numbers|flags|tables)$/.test(name)) return false;
    if (isLimit(at) || (isFunction(at) && decides(at))) return true;
  }
  return false;
}

function isFunction(node) {
  return ts.isFunctionLike(node) && node.body !== undefined;
}

function decides(node) {
  const holder = node.parent;
  const name = node.name ?? (node === holder.initializer ? holder.name : undefined);
  const type = node.type?.getText() ?? '';
  if (/^boolean$|\bis\b|\| null$/.test(type)) return true;
  return /^(match|when|refusal|(is|has|can|fits)[A-Z].*)$/.test(name?.getText() ?? '');
}

/** A constant of a module that is a number, but for costs. */
function isLimit(node) {
  if (!ts.isVariableDeclaration(node) || !ts.isSourceFile(node.parent.parent.parent)) return false;
  const isNumber = (one) =>
    ts.isNumericLiteral(one) ||
    (ts.isBinaryExpression(one) && isNumber(one.left) && isNumber(one.right)) ||
    (ts.isPrefixUnaryExpression(one) && isNumber(one.operand));
  const { name, initializer } = node;
  return initializer !== undefined && isNumber(initializer) && !/cycles/i.test(name.getText());
}
