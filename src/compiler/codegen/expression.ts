/** Functions of elements (ops/arithmetic/expression.ts) as C. */
import { InternalError } from '../../errors.js';
import type { Expression, Operation } from '../ops/arithmetic/expression.js';
import { float, integer } from './c.js';

export interface ExpressionText {
  /** Declarations of values that are used several times. */
  readonly named: readonly string[];
  readonly value: string;
}

/** Where an expression is written. */
interface Place {
  /** Of integers; else of float32. */
  readonly isWhole: boolean;
  /** The name of a helper: 'portable/real_exp' → 'real_exp'. */
  use(path: string): string;
  readonly declared: Map<string, string>;
}

interface Text {
  readonly text: string;
  readonly precedence: number;
}

const precedences = {
  ...{ conditional: 0, logic: 1, equality: 2, relational: 3 },
  ...{ sum: 4, product: 5, prefix: 6, primary: 7 },
};

/** Operators between two operands. */
const infix: Partial<
  Readonly<Record<Operation, readonly [sign: string, precedence: keyof typeof precedences]>>
> = {
  ...{ add: ['+', 'sum'], sub: ['-', 'sum'], mul: ['*', 'product'], div: ['/', 'product'] },
  ...{ equal: ['==', 'equality'], not_equal: ['!=', 'equality'] },
  ...{ less: ['<', 'relational'], less_equal: ['<=', 'relational'] },
  ...{ greater: ['>', 'relational'], greater_equal: ['>=', 'relational'] },
  ...{ and: ['&&', 'logic'], or: ['||', 'logic'] },
};

const primary = (text: string): Text => ({ text, precedence: precedences.primary });
const conditional = (text: string): Text => ({ text, precedence: precedences.conditional });

/** In parentheses where it binds less than `least`. */
const within = ({ text, precedence }: Text, least: keyof typeof precedences) =>
  precedence < precedences[least] ? `(${text})` : text;

/** Of an operand that is written several times. */
function nameOf({ text }: Text): string {
  if (/^\w+$/.test(text)) return text;
  throw new InternalError('codegen', `${text} needs a name, as it is written several times`);
}

export function expressionText(
  expression: Expression,
  place: Omit<Place, 'declared'>,
): ExpressionText {
  const declared = new Map<string, string>();
  const { text } = textOf(expression, { ...place, declared });
  return { value: text, named: [...declared.values()] };
}

function textOf(expression: Expression, place: Place): Text {
  const { isWhole, declared } = place;
  const texts = expression.operands.map((operand) => textOf(operand, place));
  const [a, b, c] = texts as [Text, Text, Text];
  switch (expression.kind) {
    case 'element':
      return primary(expression.name);
    case 'constant': {
      const { value } = expression;
      const text = isWhole ? integer(value) : float(value);
      return { text, precedence: precedences[value < 0 ? 'prefix' : 'primary'] };
    }
    case 'named': {
      const { name } = expression;
      declared.set(name, `const ${isWhole ? 'int32_t' : 'float'} ${name} = ${a.text};`);
      return primary(name);
    }
    case 'clamp': {
      const [x, low, high] = [nameOf(a), float(expression.low), float(expression.high)];
      const above =
        expression.high === Number.POSITIVE_INFINITY ? x : `${x} > ${high} ? ${high} : ${x}`;
      return conditional(`${x} < ${low} ? ${low} : ${above}`);
    }
    case 'choice':
      return conditional(`${within(a, 'logic')} ? ${b.text} : ${c.text}`);
    case 'operation':
      return operationText(expression.operation, texts, place);
  }
}

function operationText(operation: Operation, texts: readonly Text[], place: Place): Text {
  const [a, b] = texts as [Text, Text];
  if (operation === 'neg')
    return { text: `-${within(a, 'prefix')}`, precedence: precedences.prefix };
  const special = (place.isWhole ? ofIntegers : ofAll)[operation];
  if (special !== undefined) return special(a, b);
  const [sign, binding] = infix[operation] ?? [];
  if (sign === undefined || binding === undefined) return callText(operation, texts, place);
  const precedence = precedences[binding];
  const strictly = (operand: Text) =>
    operand.precedence <= precedence ? `(${operand.text})` : operand.text;
  // From the left are sums and products; compilers warn where others are.
  const left = ['sum', 'product'].includes(binding) ? within(a, binding) : strictly(a);
  return { text: `${left} ${sign} ${strictly(b)}`, precedence };
}

type Special = Partial<Readonly<Record<Operation, (a: Text, b: Text) => Text>>>;

const chosen = (sign: string) => (a: Text, b: Text) =>
  conditional(`${nameOf(a)} ${sign} ${nameOf(b)} ? ${a.text} : ${b.text}`);
const ofAll: Special = { maximum: chosen('>'), minimum: chosen('<') };

const wrapped = (sign: string) => (a: Text, b: Text) =>
  primary(`(int32_t)((uint32_t)${within(a, 'prefix')} ${sign} (uint32_t)${within(b, 'prefix')})`);

/** Of int32 what overflows wraps, and a quotient by 0 is 0. */
const ofIntegers: Special = {
  ...{ ...ofAll, add: wrapped('+'), sub: wrapped('-'), mul: wrapped('*') },
  div(a, b) {
    const [x, y] = [nameOf(a), nameOf(b)];
    return conditional(`${y} == 0 ? 0 : ${y} == -1 ? (int32_t)(0 - (uint32_t)${x}) : ${x} / ${y}`);
  },
};

/** A call of a helper, which mostly has the operation's name. */
function callText(operation: Operation, texts: readonly Text[], { isWhole, use }: Place): Text {
  const operands = texts.map(({ text }) => text);
  const call = (name: string, ...more: readonly string[]) =>
    primary(`${use(`portable/${name}`)}(${[...operands, ...more].join(', ')})`);
  switch (operation) {
    case 'abs': {
      const [bits, value] = [use('portable/bits_of_float'), use('portable/float_of_bits')];
      return primary(`${value}(${bits}(${operands[0]}) & 0x7fffffff)`);
    }
    case 'sin':
      return call('real_circular', '0');
    case 'cos':
      return call('real_circular', '1');
    case 'pow':
      return call(isWhole ? 'whole_pow' : 'real_pow');
    default:
      return call(isWhole ? operation : `real_${operation}`);
  }
}
