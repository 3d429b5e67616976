/** Functions of elements (ops/arithmetic/expression.ts) as C. */
import { InternalError } from '../errors.js';
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
  ...{ conditional: 0, or: 1, and: 2, equality: 3, relational: 4 },
  ...{ sum: 5, product: 6, prefix: 7, primary: 8 },
};

/** Operators between two operands. */
const infix: Partial<
  Readonly<Record<Operation, readonly [sign: string, precedence: keyof typeof precedences]>>
> = {
  ...{ add: ['+', 'sum'], sub: ['-', 'sum'], mul: ['*', 'product'], div: ['/', 'product'] },
  ...{ equal: ['==', 'equality'], not_equal: ['!=', 'equality'] },
  ...{ less: ['<', 'relational'], less_equal: ['<=', 'relational'] },
  ...{ greater: ['>', 'relational'], greater_equal: ['>=', 'relational'] },
  ...{ and: ['&&', 'and'], or: ['||', 'or'] },
};

const primary = (text: string): Text => ({ text, precedence: precedences.primary });
const conditional = (text: string): Text => ({ text, precedence: precedences.conditional });

/** In parentheses where it binds less than `least`. */
const within = ({ text, precedence }: Text, least: keyof typeof precedences) =>
  precedence < precedences[least] ? `(${text})` : text;

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
  switch (expression.kind) {
    case 'element':
      return primary(expression.name);
    case 'constant': {
      const { value } = expression;
      const text = isWhole ? integer(value) : float(value);
      return { text, precedence: precedences[value < 0 ? 'prefix' : 'primary'] };
    }
    case 'named': {
      const { name, of } = expression;
      const type = isWhole ? 'int32_t' : 'float';
      if (!declared.has(name)) {
        declared.set(name, `const ${type} ${name} = ${textOf(of, place).text};`);
      }
      return primary(name);
    }
    case 'clamp': {
      const { of, low, high } = expression;
      const x = nameOf(of, place);
      const below = `${x} < ${float(low)} ? ${float(low)}`;
      const above =
        high === Number.POSITIVE_INFINITY ? '' : `${x} > ${float(high)} ? ${float(high)} : `;
      return conditional(`${below} : ${above}${x}`);
    }
    case 'choice': {
      const [condition, yes, no] = expression.operands.map((each) => textOf(each, place)) as [
        ...[Text, Text, Text],
      ];
      return conditional(`${within(condition, 'or')} ? ${yes.text} : ${no.text}`);
    }
    case 'operation':
      return operationText(expression.operation, expression.operands, place);
  }
}

/** Of an operand that is written several times. */
function nameOf(operand: Expression, place: Place): string {
  if (operand.kind === 'element' || operand.kind === 'named') return textOf(operand, place).text;
  throw new InternalError('codegen', `an operand that is a ${operand.kind} needs a name`);
}

function operationText(operation: Operation, operands: readonly Expression[], place: Place): Text {
  if (operation === 'maximum' || operation === 'minimum') {
    const [a, b] = operands.map((each) => nameOf(each, place));
    return conditional(`${a} ${operation === 'maximum' ? '>' : '<'} ${b} ? ${a} : ${b}`);
  }
  const texts = operands.map((each) => textOf(each, place));
  if (operation === 'neg')
    return { text: `-${within(texts[0] as Text, 'prefix')}`, precedence: precedences.prefix };
  const [sign, binding] = infix[operation] ?? [null, 'primary'];
  if (sign === null) return callText(operation, texts, place);
  const [a, b] = texts as [Text, Text];
  if (place.isWhole && operation in wholeText) {
    return wholeText[operation as keyof typeof wholeText](a, b, sign);
  }
  const precedence = precedences[binding];
  const right = b.precedence <= precedence ? `(${b.text})` : b.text;
  return { text: `${within(a, binding)} ${sign} ${right}`, precedence };
}

/** Of int32: what overflows wraps, and a quotient by 0 is 0. */
const wrapped = (a: Text, b: Text, sign: string) =>
  primary(`(int32_t)((uint32_t)${within(a, 'prefix')} ${sign} (uint32_t)${within(b, 'prefix')})`);
const quotient = ({ text: a }: Text, { text: b }: Text) =>
  conditional(`${b} == 0 ? 0 : ${b} == -1 ? (int32_t)(0 - (uint32_t)${a}) : ${a} / ${b}`);
const wholeText = { add: wrapped, sub: wrapped, mul: wrapped, div: quotient };

/** A call of a helper, which mostly has the operation's name. */
function callText(operation: Operation, operands: readonly Text[], { isWhole, use }: Place): Text {
  const texts = operands.map(({ text }) => text);
  const call = (name: string, ...more: readonly string[]) =>
    primary(`${use(`portable/${name}`)}(${[...texts, ...more].join(', ')})`);
  switch (operation) {
    case 'abs': {
      const [bits, value] = [use('portable/bits_of_float'), use('portable/float_of_bits')];
      return primary(`${value}(${bits}(${texts[0]}) & 0x7fffffff)`);
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
