/** bonsaic inspect: which operators are supported, import and passes, and an estimate for each target. */
import { createHash } from 'node:crypto';
import { packageTemplates } from '../boards/project/templates.js';
import type { Target } from '../boards/target/index.js';
import { type LayerProof, proofsOf } from '../compiler/analysis/proofs.js';
import { emitProgram } from '../compiler/codegen/program.js';
import { type SurveyedOperator, surveyModel } from '../compiler/formats/index.js';
import { type Analysed, modelName } from '../compiler/index.js';
import { checkNodeAlone } from '../compiler/ir/check.js';
import {
  type Graph,
  isConstant,
  type Module,
  mainGraph,
  type Node,
  viewOf,
} from '../compiler/ir/graph.js';
import { computedTypes } from '../compiler/ir/op.js';
import { operators } from '../compiler/ops/index.js';
import { acceptGraph, acceptNode } from '../compiler/plan/choose/accept.js';
import { attempt, BonsaiError, refusalOf } from '../errors.js';
import { load, planned } from '../pipeline.js';
import { type Estimate, estimateOf } from '../report/estimates.js';
import { type JudgedOperator, type SupportRow, supportRows } from '../report/support.js';
import type { CompileRequest } from './types.js';

type Inspected = Omit<CompileRequest, 'target' | 'observe'>;

/** What is known of a model without a target. */
export interface Inspection {
  readonly model: { readonly name: string; readonly sha256: string; readonly bytes: number };
  readonly operators: readonly SupportRow[];
  /** Why the model does not compile for any target; null: it does. */
  readonly fault: BonsaiError | null;
  /** The module as imported and after passes, and the facts proved; null for a model that cannot be imported. */
  readonly proven: Proven | null;
}

interface Proven extends ReturnType<typeof load> {
  readonly proofs: readonly LayerProof[];
}

/**
 * Imports any model, as far as it goes.
 *
 * @throws BonsaiError for a file that is damaged or no model
 */
export function inspectModel(request: Inspected): Inspection {
  const { bytes, path, options } = request;
  const { rounding, shapes = [] } = options;
  const surveyed = surveyModel(bytes, { where: path, rounding, shapes });
  const { proven, fault } = tried(request);
  const rows = surveyed?.map((operator) => judged(operator, fault)) ?? nodesOf(proven, fault);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    model: { name: modelName(path), sha256, bytes: bytes.length },
    operators: supportRows(rows),
    ...{ fault, proven },
  };
}

/** The module and its proofs, and why no target takes it. */
function tried(request: Inspected): Pick<Inspection, 'proven' | 'fault'> {
  const proven = attempt(() => prove(request));
  if (proven instanceof BonsaiError) return { proven: null, fault: proven };
  return { proven, fault: refusalOf(() => acceptGraph(mainGraph(proven.module))) };
}

/** The module, and the facts proved around the removal of dead channels. */
function prove(request: Inspected): Proven {
  const seen: [pass: string, module: Module][] = [];
  const { source, module } = load({
    ...request,
    observe: (pass, module) => seen.push([pass, module]),
  });
  const removal = seen.findIndex(([pass]) => pass === 'remove-dead-channels');
  const [before, after] = [removal - 1, removal].map((at) => mainGraph(seen[at]?.[1] ?? source));
  return { source, module, proofs: before && after ? proofsOf(before, after) : [] };
}

/** An operator of a model that is refused for `fault`: whether it is a cause. */
function judged(operator: SurveyedOperator, fault: BonsaiError | null): JudgedOperator {
  const { name, types, graph, node } = operator;
  if (fault === null || node === null) {
    return { name, types, refusal: fault === null ? null : operator.refusal };
  }
  return { name, types, refusal: operator.refusal ?? refusalOfNode(graph, node) };
}

/** A node of constants alone is computed by a pass, whatever its types. */
function refusalOfNode(graph: Graph, node: Node): BonsaiError | null {
  const view = viewOf(graph, node);
  if (view.inputs.every((tensor) => tensor === null || isConstant(tensor))) return null;
  return refusalOf(() => {
    checkNodeAlone(graph, node, operators);
    acceptNode(graph, node);
  });
}

/** The operators of a format without names of TFLite: the nodes of its graph. */
function nodesOf(proven: Proven | null, fault: BonsaiError | null): readonly JudgedOperator[] {
  if (proven === null) return [];
  const graph = mainGraph(proven.source);
  return graph.nodes.map((node) => {
    const types = [...new Set(computedTypes(viewOf(graph, node)))].join(', ');
    return { name: node.op, types, refusal: fault === null ? null : refusalOfNode(graph, node) };
  });
}

/** What the model would need on each target, and the error of a model that compiles for none. */
export function estimates(
  request: Omit<CompileRequest, 'target'>,
  targets: readonly Target[],
  known: Analysed,
): { readonly targets: readonly Estimate[]; readonly fault: BonsaiError | null } {
  const refusals: BonsaiError[] = [];
  const all = targets.map((target) =>
    estimateOf(target, () => {
      const made = attempt(() => emitted({ ...request, target }, known));
      if (!(made instanceof BonsaiError)) return made;
      refusals.push(made);
      throw made;
    }),
  );
  const [first = null] = refusals;
  return { targets: all, fault: refusals.length === targets.length ? first : null };
}

function emitted(request: CompileRequest, known: Analysed) {
  const { module, ...plan } = planned(request, known);
  return { plan: plan.plan, tables: emitProgram(module, plan, packageTemplates()).tables };
}
