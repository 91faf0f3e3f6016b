/** The two trainable sizes above `@nano`: the same shapes, wider and deeper, for minutes or some two hours on two cores. */
import { assumed, type Evidenced, type Recipe } from './recipe.ts'
import type { RecipePath } from './schema.ts'

interface Scale {
  readonly size: 'micro' | 'mini'
  readonly layers: number
  /** How many times as wide as `@nano`, whose four heads become eight. */
  readonly factor: number
  readonly context: number
  /** What the learning rate is multiplied with. */
  readonly slower: number
  readonly steps: number
}

const HEADS = 8
const SCALES: readonly Scale[] = [
  { size: 'micro', layers: 6, factor: 2, context: 128, slower: 0.5, steps: 2000 },
  { size: 'mini', layers: 8, factor: 4, context: 256, slower: 0.3, steps: 5000 },
]
const OWN = 'chosen here: the shape of the nano size, scaled'

/** `NAME@micro` and `NAME@mini` of a `NAME@nano` recipe. */
export function scaledSizes(nano: Recipe): readonly Recipe[] {
  return SCALES.map((scale) => scaled(nano, scale))
}

function scaled(nano: Recipe, { size, layers, factor, context, slower, steps }: Scale): Recipe {
  const value = (path: RecipePath): number => Number(nano.fields[path]?.value ?? 0)
  const width = value('model.width') * factor
  const own: Partial<Record<RecipePath, Evidenced<unknown>>> = {
    'model.layers': assumed(layers, OWN),
    'model.heads': assumed(HEADS, OWN),
    'model.width': assumed(width, OWN),
    'model.context': assumed(context, OWN),
    ...changed(nano, 'model.kvHeads', (heads) => Math.max(1, (heads * HEADS) / value('model.heads'))),
    ...changed(nano, 'model.headDim', (each) => (each * factor * value('model.heads')) / HEADS),
    ...changed(nano, 'model.feedForward', (hidden) => hidden * factor),
    ...changed(nano, 'model.window', (window) => (window * context) / value('model.context')),
    ...pace(nano, slower, steps),
    'train.batchSize': assumed(8, 'chosen here'),
    'train.evalEvery': assumed(500, 'chosen here'),
  }
  const [family = ''] = nano.name.split('@')
  return {
    name: `${family}@${size}`,
    description: `The shape of ${nano.name}, ${factor} times as wide and ${layers} layers deep.`,
    fields: { ...nano.fields, ...own } as Recipe['fields'],
  }
}

/** Multi-query attention keeps its one head; a window of 0 stays none. */
function changed(nano: Recipe, path: RecipePath, change: (value: number) => number): typeof nano.fields | object {
  const field = nano.fields[path]
  if (field === undefined || field.value === 0) return {}
  if (path === 'model.kvHeads' && field.value === 1) return {}
  return { [path]: assumed(change(Number(field.value)), OWN) }
}

/**
 * Wider models want smaller steps; not Adafactor's, which are relative to the weights. A peak that is held lasts the
 * same share of the run.
 */
function pace(nano: Recipe, slower: number, steps: number): Partial<Record<RecipePath, Evidenced<unknown>>> {
  const value = (path: 'optimizer.learningRate' | 'schedule.floor' | 'schedule.warmup' | 'schedule.steps'): number =>
    nano.fields[path].value
  const rate = (of: number): number => Number((of * slower).toPrecision(6))
  const relative = nano.fields['optimizer.name'].value === 'adafactor'
  const held = nano.fields['schedule.kind'].value === 'inverse-square-root-held'
  const warmup = Math.round((value('schedule.warmup') * steps) / value('schedule.steps'))
  return {
    'schedule.steps': assumed(steps, 'chosen here: five minutes on two cores for micro, two hours for mini'),
    ...(held ? { 'schedule.warmup': assumed(warmup, 'the same share of the run as in the nano size') } : {}),
    ...(relative
      ? {}
      : {
          'optimizer.learningRate': assumed(
            rate(value('optimizer.learningRate')),
            'chosen here: less for wider models',
          ),
          'schedule.floor': assumed(rate(value('schedule.floor')), 'a tenth of the peak'),
        }),
  }
}
