import { describe, expect, test } from 'vitest'
import { parameterShapes } from '../../reference/gpt.ts'
import { printGraph, trace } from '../engine/index.ts'
import { totalParameters } from '../nn/parameter.ts'
import { evaluationPass, trainingPass } from '../nn/pass.ts'
import { traceParameters } from '../nn/traced.ts'
import { buildLedger } from '../optim/index.ts'
import { resolveRecipe } from '../recipes/index.ts'
import { findModel, gpt2, logitsOf, type ConfigOf } from './index.ts'

type Config = ConfigOf<'bias'>
const tiny: Config = {
  layers: 2,
  heads: 2,
  width: 8,
  context: 6,
  vocab: 11,
  bias: true,
  dropout: 0,
  stochasticDepth: 0,
}

describe('declareParameters', () => {
  test.each([true, false])('names and shapes are the plain twin’s (bias %j)', (bias) => {
    const config = { ...tiny, bias }
    const declared = gpt2.declareParameters(config)
    expect(declared.map(({ name, shape }) => [name, shape])).toEqual([...parameterShapes(config)])
  })

  // Totals as nanoGPT prints them for the same two models (configure_optimizers).
  test.each([
    ['shakespeare-char-cpu', 65, 804_096, [18, 802_944], [9, 1152]],
    ['gpt2-nanogpt@124m', 50_257, 124_439_808, [50, 124_318_464], [98, 121_344]],
  ] as const)('%s: %j tokens, %j parameters', (recipe, vocab, total, decayed, undecayed) => {
    const { config } = resolveRecipe(recipe)
    const parameters = gpt2.declareParameters({ ...config.model, vocab })
    expect(totalParameters(parameters)).toBe(total)
    const { totals } = buildLedger(parameters, config.optimizer.policy, {
      weightDecay: config.optimizer.weightDecay,
      learningRates: [config.optimizer.learningRate],
      steps: 1,
    })
    expect(totals.decayed).toEqual({ tensors: decayed[0], parameters: decayed[1] })
    expect(totals.undecayed).toEqual({ tensors: undecayed[0], parameters: undecayed[1] })
  })

  test('every parameter has its role, the head is the token table, residual projections start smaller', () => {
    const specs = new Map(gpt2.declareParameters(tiny).map((spec) => [spec.name, spec]))
    const roles = [...specs.values()].map(({ name, role }) => {
      const kind = name.endsWith('.bias') ? 'bias' : /ln_(1|2|f)\.weight$/.test(name) ? 'gain' : 'table or matrix'
      return [kind, role] as const
    })
    expect(new Set(roles.map(([kind, role]) => `${kind}: ${role}`))).toEqual(
      new Set([
        'table or matrix: embedding',
        'table or matrix: position',
        'gain: gain',
        'bias: bias',
        'table or matrix: matrix',
      ]),
    )
    expect(specs.get('wte.weight')).toMatchObject({ role: 'embedding', aliases: ['lm_head.weight'] })
    expect(specs.get('h.0.attn.c_attn.weight')?.init).toEqual({ kind: 'normal', std: 0.02 })
    for (const name of ['h.1.attn.c_proj.weight', 'h.0.mlp.c_proj.weight']) {
      expect(specs.get(name)?.init).toEqual({ kind: 'normal', std: 0.02 / Math.sqrt(4) })
    }
    expect(specs.get('h.0.ln_1.weight')?.init).toEqual({ kind: 'ones' })
    expect(specs.get('h.0.mlp.c_fc.bias')?.init).toEqual({ kind: 'zeros' })
  })
})

function traced(config: Config, time = config.context) {
  return trace('logits', (context) => {
    const parameters = traceParameters(context, gpt2.declareParameters(config))
    const ids = context.input('ids', 'i32', [3, time])
    const x = gpt2.hidden(parameters, config, ids, trainingPass(context, config))
    return { outputs: { logits: logitsOf(x, gpt2.outputLayer(parameters, config)) } }
  })
}

describe('the traced model', () => {
  test('gives one row of logits per token, also for sequences shorter than the context', () => {
    expect(traced(tiny).outputs.get('logits')?.shape).toEqual([18, 11])
    expect(traced(tiny, 4).outputs.get('logits')?.shape).toEqual([12, 11])
  })

  test('names the layers in the graph, and has dropout only where there is some', () => {
    expect(printGraph(traced(tiny))).toMatch(/h\.1\.attn\.c_attn/)
    expect(printGraph(traced(tiny))).not.toMatch(/randomUniform|dropoutSeed/)
    const dropping = printGraph(traced({ ...tiny, dropout: 0.1 }))
    expect(dropping.match(/randomUniform/g)).toHaveLength(1 + 2 * 2) // the embeddings and two branches per block
    expect(new Set(dropping.match(/stream\W+\d+/g)).size).toBe(1 + 3 * 2) // the attention weights too, all apart
  })

  test('refuses sequences longer than its positions, and a parameter that nobody declared', () => {
    expect(() => traced(tiny, 7)).toThrow('The model has 6 positions, but sequences of 7 were given.')
    expect(() => traceWithout('h.1.mlp.c_fc.weight')).toThrow('There is no parameter "h.1.mlp.c_fc.weight"')
  })
})

function traceWithout(name: string) {
  const declared = gpt2.declareParameters(tiny).filter((parameter) => parameter.name !== name)
  return trace('logits', (context) => {
    const ids = context.input('ids', 'i32', [1, 6])
    return { outputs: { x: gpt2.hidden(traceParameters(context, declared), tiny, ids, evaluationPass()) } }
  })
}

test('architectures are found by name', () => {
  expect(findModel('gpt2')).toBe(gpt2)
  expect(() => findModel('gpt5')).toThrow(
    'Unknown architecture "gpt5". The architectures are: gpt2, gpt3, llama, palm, ',
  )
})
