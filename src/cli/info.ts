/** `halflife info`: what this machine offers, and what a run would use of it. */
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Command } from 'commander'
import { availableBackends, cpuFeatures, createBackend } from '../engine/index.ts'
import { addBackendFlags, backendOptions, type BackendFlags } from './backendFlags.ts'
import { bytes } from './quantity.ts'
import type { Channel, Terminal } from './terminal.ts'
import { packageVersion } from '../records/ownPackage.ts'

interface InfoFlags extends BackendFlags {
  readonly json?: boolean
}

/** The document of `info --json`. */
export interface MachineInfo {
  readonly halflife: string
  readonly node: string
  readonly platform: string
  readonly cpu: {
    readonly model: string
    readonly cores: number
    /** Vector features that programs may use; null where native code cannot ask for them. */
    readonly features: Readonly<Record<string, boolean>> | null
  }
  readonly memoryBytes: number
  readonly backends: readonly {
    readonly name: string
    readonly available: boolean
    /** Why it is not available; null where it is. */
    readonly reason: string | null
  }[]
  /** What `train` would run on with the same flags. */
  readonly would: {
    readonly backend: string
    readonly threads: number
    readonly description: string
    /** Why a better backend was passed over; null where the best one runs. */
    readonly note: string | null
  }
}

const EXAMPLES = `
Examples:
  halflife info
  halflife info --json
  halflife info --disable avx512          what would run without AVX-512`

export function defineInfo(command: Command, { out }: Terminal): void {
  command.description('Show the CPU, which backends can run on it and why others cannot, and what a run would use.')
  addBackendFlags(command)
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((flags: InfoFlags) => {
      const info = machineInfo(flags)
      out.line(flags.json === true ? JSON.stringify(info, null, 2) : infoText(info, out))
    })
}

/** Looks at the machine. Throws BackendError where the flags ask for what it cannot do. */
export function machineInfo(flags: BackendFlags): MachineInfo {
  const backend = createBackend(backendOptions(flags))
  try {
    return {
      halflife: packageVersion(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpu: { model: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), features: features() },
      memoryBytes: totalmem(),
      backends: availableBackends(flags.disable).map(({ name, unavailable }) => {
        return { name, available: unavailable === undefined, reason: unavailable ?? null }
      }),
      would: {
        backend: backend.name,
        threads: backend.threads,
        description: backend.description,
        note: backend.note ?? null,
      },
    }
  } finally {
    backend.dispose()
  }
}

function features(): Readonly<Record<string, boolean>> | null {
  const found = cpuFeatures()
  if (found === undefined) return null
  const { avx2, fma, avx512, bf16 } = found
  return { avx2, fma, avx512, bf16 }
}

function infoText(info: MachineInfo, out: Channel): string {
  const backends = info.backends.map(({ name, reason }): [string, string] => {
    return [name, reason === null ? out.style('green', 'can run') : `${out.style('yellow', 'cannot run')}: ${reason}`]
  })
  const { would } = info
  return [
    ...table(out, [
      ['halflife', info.halflife],
      ['Node', `${info.node} on ${info.platform}`],
      ['CPU', info.cpu.model],
      ['features', featureText(info.cpu.features)],
      ['cores', String(info.cpu.cores)],
      ['memory', bytes(info.memoryBytes)],
    ]),
    '',
    out.style('bold', 'Backends'),
    ...table(out, backends),
    '',
    `${out.style('bold', 'A run would use')} ${would.description}`,
    ...(would.note === null ? [] : [would.note]),
  ].join('\n')
}

function featureText(found: MachineInfo['cpu']['features']): string {
  if (found === null) return 'unknown: native code, which asks the processor, cannot run'
  const names = Object.keys(found)
  const absent = names.filter((name) => found[name] === false)
  const present = names.filter((name) => found[name] === true).join(', ')
  return `${present === '' ? 'none' : present}${absent.length === 0 ? '' : ` (not ${absent.join(', ')})`}`
}

function table(out: Channel, rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${out.style('dim', name.padEnd(width))}  ${value}`)
}
