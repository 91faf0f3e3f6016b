/** Shows what became of a graph: its nodes, the passes, the launches, the kernels, their code, and where the time goes. */
import { printGraph } from '../ir/print.ts'
import { printKernel } from '../kernel/print.ts'
import { planProgram } from '../plan/passes.ts'
import type { Launch } from '../plan/program.ts'
import { usesBf16 } from '../trace/precision.ts'
import type { Graph } from '../trace/trace.ts'
import { assertPrecision, type Backend } from './backend.ts'
import { CompiledBackend, type CompiledExecutable } from './compiled.ts'
import { BackendError } from './create.ts'
import { LaunchSums, renderProfile } from './profile.ts'

export const inspections = ['graph', 'passes', 'plan', 'kernels', 'code', 'times'] as const
export type Inspection = (typeof inspections)[number]

/**
 * The text of one inspection of a graph on a backend. `times` runs the program as its buffers stand, so its inputs must
 * be filled. Throws where the backend does not compile (the interpreter has only a graph).
 */
export function inspect(backend: Backend, graph: Graph, what: Inspection): string {
  if (what === 'graph') return printGraph(graph)
  if (!(backend instanceof CompiledBackend)) {
    throw new BackendError(
      `The ${backend.name} backend does not compile, so it has no ${what}.`,
      'Choose --backend native or --backend wasm.',
    )
  }
  if (usesBf16(graph)) assertPrecision(backend, 'bf16')
  if (what === 'passes') return passesOf(backend, graph)
  const executable = backend.compile(graph)
  const { program } = executable
  if (what === 'plan') return launchesOf(executable)
  if (what === 'kernels') return program.kernels.map((kernel) => printKernel(kernel)).join('\n\n')
  if (what === 'code') return program.kernels.map((_, k) => executable.listing(k)).join('\n\n')
  executable.run() // the first run pays for touching its memory
  const sums = new LaunchSums()
  sums.add(executable.profile())
  return renderProfile(sums.rows(1))
}

function passesOf(backend: CompiledBackend, graph: Graph): string {
  const lines: string[] = []
  planProgram(graph, backend.target, {
    onPass: (pass, { nodes }, milliseconds) => {
      lines.push(
        `${pass.padEnd(36)} ${String(nodes.length).padStart(6)} nodes ${milliseconds.toFixed(1).padStart(8)} ms`,
      )
    },
  })
  return lines.join('\n')
}

/** Where a launch's arguments lie: `@offset` in the arena, `name+offset` in a named buffer; bytes. */
function argumentsOf(launch: Launch): string {
  return launch.buffers.map((use) => (use.space === 'arena' ? `@${use.offset}` : `${use.name}+${use.offset}`)).join(' ')
}

function launchesOf({ program, shares }: CompiledExecutable): string {
  const { launches, kernels, arenaBytes, scratchBytes, flops } = program
  const barriers = shares.filter(({ barrier }) => barrier).length
  return [
    `${program.name}: ${launches.length} launches of ${kernels.length} kernels, ` +
      `${barriers} barriers, arena ${megabytes(arenaBytes)}, ` +
      `scratch ${megabytes(scratchBytes)} a thread, ${(flops / 1e9).toFixed(3)} Gflop`,
    ...launches.map(
      (launch, k) =>
        `${shares[k]!.barrier ? '|' : ' '} k${String(launch.kernel).padEnd(4)} ${String(launch.units).padStart(7)} units  ` +
        `${launch.label}  (${argumentsOf(launch)})`,
    ),
  ].join('\n')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`
}
