/** The flags that choose what a command computes on. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { featureNames, type BackendOptions } from '../engine/index.ts'
import { wholeNumber } from './recipeFlags.ts'

export const BACKENDS = ['auto', 'native', 'wasm', 'interpreter'] as const

export interface BackendFlags {
  readonly backend: (typeof BACKENDS)[number]
  readonly threads?: number
  readonly disable?: readonly string[]
}

const threadsOption = (): Option =>
  new Option('--threads <n>', 'threads to compute with (default: one per core)').argParser(wholeNumber(1))

/** Adds `--backend --threads --disable`; `threads` is another option in the place of the second. */
export function addBackendFlags(command: Command, threads = threadsOption()): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'what computes: native machine code, WebAssembly, or the slow interpreter')
        .choices(BACKENDS)
        .default('auto'),
    )
    .addOption(threads)
    .option(
      '--disable <features>',
      `do without CPU features: ${featureNames.join(', ')}; commas between them`,
      features,
    )
}

/** The flags as the engine wants them. */
export function backendOptions({ backend, threads, disable }: BackendFlags): BackendOptions {
  return {
    backend,
    ...(threads === undefined ? {} : { threads }),
    ...(disable === undefined ? {} : { disable }),
  }
}

function features(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  if (names.every((name) => featureNames.some((known) => known === name))) return names
  throw new InvalidArgumentError(`The features are ${featureNames.join(', ')}.`)
}
