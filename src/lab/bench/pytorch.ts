/** PyTorch as a contender: a process that runs `pytorch.py`, asked for some steps at a time. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { Precision } from '../../engine/index.ts'
import { packageFile } from '../../records/ownPackage.ts'
import type { PytorchJob } from './benchCase.ts'
import { BenchError } from './benchError.ts'

const SCRIPT = packageFile('src/lab/bench/pytorch.py')
/** How long PyTorch's threads may go on spinning after their work, before others are timed. */
const SETTLE_MS = 50
/** Characters of what Python complained that an error repeats. */
const COMPLAINT = 1500

export const pytorchModes = ['eager', 'compiled'] as const
export type PytorchMode = (typeof pytorchModes)[number]

export interface PytorchWork {
  readonly job: PytorchJob
  readonly threads: number
  readonly precision: Precision
  /** Whether torch.compile is tried as well. */
  readonly compile: boolean
}

const readyAnswer = z.object({
  torch: z.string(),
  python: z.string(),
  threads: z.int(),
  modes: z.partialRecord(
    z.enum(pytorchModes),
    z.union([z.object({ readyMs: z.number() }), z.object({ error: z.string() })]),
  ),
})
export type PytorchReady = z.infer<typeof readyAnswer>
const timesAnswer = z.object({ times: z.array(z.number().min(0)) })

/** The version of torch that this Python has; null where it has none, or where there is no such program. */
export function torchVersion(python: string): string | null {
  const program = 'import importlib.metadata as m; print(m.version("torch"))'
  const { status, stdout } = spawnSync(python, ['-c', program], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/** A process that does the work of one case after another: what takes longest, importing torch, happens once. */
export class PytorchContender {
  readonly #python: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #complaints = ''
  #failure: Error | null = null

  /** Starts Python; whether that succeeds the first answer tells. */
  constructor(python: string) {
    this.#python = python
    // A group of its own: Ctrl-C is for this process, which then closes that one's input.
    this.#child = spawn(python, ['-u', SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    this.#child.on('error', (error) => (this.#failure = error))
    this.#child.stdin!.on('error', () => {}) // told by the answer that does not come
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-COMPLAINT)
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /** Forgets the work before, and does the first two steps of this in each mode. Throws BenchError where that fails. */
  async prepare({ job, threads, precision, compile }: PytorchWork): Promise<PytorchReady> {
    return this.#ask({ ...job, threads, precision, compile }, readyAnswer)
  }

  /** The times of so many steps, in milliseconds. */
  async run(mode: PytorchMode, steps: number): Promise<readonly number[]> {
    const { times } = await this.#ask({ mode, steps }, timesAnswer)
    await new Promise((resume) => setTimeout(resume, SETTLE_MS))
    return times
  }

  /** Ends the process. */
  close(): void {
    this.#child.stdin!.end()
    this.#child.kill()
  }

  async #ask<S extends z.ZodType>(request: object, schema: S): Promise<z.infer<S>> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw await this.#died()
    const answer = schema.safeParse(parsed(value))
    if (answer.success) return answer.data
    throw new BenchError(`PyTorch answered ${value.slice(0, 200)}.`, `Is ${this.#python} a Python? See --python.`)
  }

  /** The last words of a process that has ended, or could not be started. */
  async #died(): Promise<BenchError> {
    await new Promise((resume) => setTimeout(resume, SETTLE_MS)) // its last words may still be on their way
    const words = this.#failure?.message ?? this.#complaints.trim().split('\n').at(-1)
    return new BenchError(
      `PyTorch (${this.#python}) ended: ${words === undefined || words === '' ? 'it said nothing' : words}`,
      'Leave PyTorch out with --no-pytorch, or name another Python with --python.',
    )
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
