/** The programs that generate: a model's logits after a sequence that grows, each token computed once. */
import { bufferName, gather, scope, trace, type Backend, type Executable, type Graph } from '../engine/index.ts'
import { logitsOf } from '../models/index.ts'
import { DECODING_INPUTS, decodingPass } from '../nn/decodingPass.ts'
import { traceParameters } from '../nn/traced.ts'
import { integers } from './programs.ts'
import { BATCH_INPUTS, type ModelSetup } from './step.ts'

/** i32 [1]: which of a program's tokens to give the logits of. */
const ROW = 'row'
/** Tokens of a prompt that one run computes, unless told. */
const CHUNK = 64

export interface Decoder {
  /**
   * Logits of the token that follows, f32 [V], valid until the next call. What the sequence has in common with that of the
   * call before is not computed again. Throws RangeError for no token, and for more than the model has positions.
   */
  logitsAfter(tokens: readonly number[]): ArrayLike<number>
}

/**
 * P successive tokens of one sequence. Inputs ids i32 [1, P], positions i32 [P], counts f32 [P] (1, or 0 for what fills up
 * after them) and row i32 [1]; output logits [1, V] of that row; updates the caches of keys and values. These have
 * `cacheRows` rows, the same in all programs over them: enough for P tokens from the last position on, unless told.
 */
export function traceDecoding(
  name: string,
  { model, config, parameters }: ModelSetup,
  tokens: number,
  cacheRows = config.context + tokens - 1,
): Graph {
  return trace(name, (context) => {
    const ids = context.input(BATCH_INPUTS.ids, 'i32', [1, tokens])
    const row = context.input(ROW, 'i32', [1])
    const traced = traceParameters(context, parameters)
    const pass = decodingPass(context, tokens, cacheRows)
    const x = model.hidden(traced, config, ids, pass) // [P, C]
    const chosen = scope('lm_head', () => gather(x, row)) // [1, C]
    const logits = logitsOf(chosen, model.outputLayer(traced, config))
    return { outputs: { logits }, updates: Object.fromEntries(pass.caches) }
  })
}

/**
 * A decoder over the weights in the backend's buffers; its programs are compiled when they are first needed, once. A
 * prompt is computed `chunk` tokens at a time.
 */
export function createDecoder(backend: Backend, setup: ModelSetup, { chunk = CHUNK } = {}): Decoder {
  const { context, vocab } = setup.config
  const atOnce = Math.min(chunk, context)
  const cacheRows = context + atOnce - 1
  const prefill = lazily(() => compileDecoding(backend, setup, 'prefill', atOnce, cacheRows))
  const decode = lazily(() => compileDecoding(backend, setup, 'decode', 1, cacheRows))
  /** Tokens whose keys and values the caches hold; null before they were cleared for the first time. */
  let cached: readonly number[] | null = null
  return {
    logitsAfter(tokens) {
      if (tokens.length === 0 || tokens.length > context) {
        throw new RangeError(`${tokens.length} tokens were given; the model takes 1 to ${context}.`)
      }
      const common = Math.min(commonLength(cached ?? [], tokens), tokens.length - 1)
      if (cached === null || common < cached.length) clearFrom(decode().caches, common)
      let program = decode()
      for (let from = common; from < tokens.length;) {
        program = tokens.length - from > 1 ? prefill() : decode()
        const until = Math.min(tokens.length, from + program.tokens)
        program.run(tokens.slice(from, until), from)
        from = until
      }
      cached = [...tokens]
      return backend.buffer(bufferName(program.name, 'logits'), 'f32', [1, vocab])
    },
  }
}

/** A compiled program of `traceDecoding`. */
export interface DecodingProgram {
  readonly name: string
  readonly executable: Executable
  /** P */
  readonly tokens: number
  /** Rows of keys and of values, each [rows, KV · D]. */
  readonly caches: readonly { readonly width: number; readonly rows: { fill(value: number, from: number): unknown } }[]
  /** Adds these tokens, at most P, to the caches from that position on. */
  run(ids: readonly number[], from: number): void
}

/** Compiles the program of `traceDecoding` over the weights in the backend's buffers. */
export function compileDecoding(
  backend: Backend,
  setup: ModelSetup,
  name: string,
  tokens: number,
  cacheRows?: number,
): DecodingProgram {
  const graph = traceDecoding(name, setup, tokens, cacheRows)
  const executable = backend.compile(graph)
  const inputs = {
    ids: integers(backend, bufferName(name, BATCH_INPUTS.ids), [1, tokens]),
    positions: integers(backend, bufferName(name, DECODING_INPUTS.positions), [tokens]),
    counts: backend.buffer(bufferName(name, DECODING_INPUTS.counts), 'f32', [tokens]),
    row: integers(backend, bufferName(name, ROW), [1]),
  }
  return {
    name,
    executable,
    tokens,
    caches: [...graph.updates].map(([state, { shape }]) => ({
      width: shape[1]!,
      rows: backend.buffer(state, 'f32', shape),
    })),
    run(ids, from) {
      for (let i = 0; i < tokens; i++) {
        const counts = i < ids.length
        inputs.ids[i] = counts ? ids[i]! : 0
        inputs.positions[i] = counts ? from + i : 0
        inputs.counts[i] = counts ? 1 : 0
      }
      inputs.row[0] = ids.length - 1
      executable.run()
    },
  }
}

function clearFrom(caches: DecodingProgram['caches'], row: number): void {
  for (const { rows, width } of caches) rows.fill(0, row * width)
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return length
}

function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
