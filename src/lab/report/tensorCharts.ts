/** Sizes tensor by tensor: one chart for each kind of tensor, whose lines are its layers. */
import { kindsOf } from './kinds.ts'
import type { Chart, Series } from './chart.ts'
import { number } from './format.ts'
import type { RunNumbers } from './run.ts'

/** RMS against the equilibrium of this step, for all tensors that decay. */
export function rmsCharts({ looks, ledger }: RunNumbers): Chart[] {
  const last = looks.at(-1)
  if (!last) return []
  const decays = new Map(ledger.entries.map(({ name, weightDecay }) => [name, weightDecay > 0]))
  const names = Object.keys(last.tensors).filter((name) => decays.get(name) !== false)
  return kindsOf(names).map(({ kind, members }): Chart => {
    const measured = members.map((name, k): Series => {
      const ramp = members.length === 1 ? 1 : k / (members.length - 1)
      return {
        name: members.length === 1 ? 'measured' : name,
        points: looks.map(({ step, tensors }) => [step, tensors[name]?.rms ?? null]),
        color: members.length === 1 ? 0 : { ramp },
        unnamed: members.length > 1 && k > 0 && k < members.length - 1,
      }
    })
    return {
      title: kind,
      yLabel: 'RMS',
      yScale: 'log',
      series: [...measured, ...balances(members, looks)],
      see: seen(members, last),
    }
  })
}

/** Where all members balance at the same size one line stands for them. */
function balances(members: readonly string[], looks: RunNumbers['looks']): Series[] {
  const lines = members.map((name) =>
    looks.map(({ step, tensors }) => [step, tensors[name]?.equilibriumRms ?? null] as const),
  )
  const distinct = new Map(lines.map((points) => [JSON.stringify(points), points]))
  return [...distinct.values()]
    .filter((points) => points.some(([, value]) => value !== null))
    .map((points, k) => ({ name: k === 0 ? 'in balance' : `in balance (${k + 1})`, points, color: 1, kind: 'dashed' }))
}

function seen(members: readonly string[], { tensors }: RunNumbers['looks'][number]): string {
  const ratios = members.flatMap((name) => {
    const { rms, equilibriumRms } = tensors[name]!
    return rms === null || !equilibriumRms ? [] : [rms / equilibriumRms]
  })
  const layers = members.length > 1 ? 'From the first layer (faint) to the last. ' : ''
  if (ratios.length === 0) return `${layers}No balance is foretold under this form of decay and this optimizer.`
  const [least, most] = [number(Math.min(...ratios)), number(Math.max(...ratios))]
  return `${layers}In the last look the RMS was ${least === most ? least : `${least} to ${most}`} times the balance.`
}
