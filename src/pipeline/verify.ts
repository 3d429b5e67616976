/** bonsaic verify: the kernels on this machine, under sanitizers, then on the board's simulator. */
import { inTemporaryDirectory } from '../boards/build/temporary.js';
import { vectorsFor } from '../boards/profile/seeded-vectors.js';
import { emitTwin } from '../boards/project/emit.js';
import { compileShown, judge, judgePlan, runIn } from '../pipeline.js';
import type { Report } from '../report/index.js';
import { outputsDiffer } from '../report/outputs.js';
import type { CompileRequest, DeviceJob, Outcome } from './types.js';

/** The results of a board's kernels on this machine. */
export type Sanitized = Pick<Report, 'toolchain' | 'verify'>;

/** bonsaic verify: a board's kernels here, under sanitizers, then on the board's simulator. */
export async function verify(
  request: CompileRequest,
  job: Omit<DeviceJob, 'port'>,
): Promise<Outcome & { readonly sanitized: Sanitized | null }> {
  const { target, bytes } = request;
  const here = { ...job, port: 'sim' };
  const compilation = await compileShown(request, job);
  const vectors = vectorsFor(job.vectors, compilation.plan, compilation.module);
  const planOutcome = await judgePlan(request, compilation.emission, job.budgets);
  if (planOutcome.fault !== null) return { ...planOutcome, sanitized: null };
  const twin = emitTwin(compilation.module, compilation, target);
  const twinRequest = { bytes, target: twin.target };
  const twinModule = { module: compilation.module, emission: twin.emission };
  const { report } = await inTemporaryDirectory((directory) => {
    const title = `Build the kernels of ${twin.target.name} for this machine`;
    const own = { ...here, cc: undefined };
    return runIn(directory, twinRequest, twinModule, vectors, own, { title, sanitize: true });
  });
  const sanitized = { toolchain: report.toolchain, verify: report.verify };
  const fault = outputsDiffer(report, ' on this machine, under sanitizers');
  if (target.simulator === null) return { report, fault, sanitized };
  const onBoard = await inTemporaryDirectory(async (directory) => {
    const { report } = await runIn(directory, request, compilation, vectors, here, {});
    return fault !== null
      ? { report, fault }
      : judge(report, compilation.plan, target, () => request, here);
  });
  return { ...onBoard, sanitized };
}
