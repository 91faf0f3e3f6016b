import { CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { PolicyError } from '../optim/index.ts'
import { RecipeError } from '../recipes/index.ts'
import { TrainingError } from '../train/index.ts'
import { describeFailure, reportFailure, UsageError } from './errors.ts'
import { channel } from './terminal.ts'

function report(error: unknown, env = {}): { lines: string[]; code: number } {
  let text = ''
  const err = channel({ write: (part: string) => (text += part) }, {})
  const code = reportFailure(error, err, env)
  return { lines: text.split('\n'), code }
}

test('an error and its hint, one line each', () => {
  expect(report(new TrainingError('The loss is NaN after step 7.', 'Lower the learning rate.'))).toEqual({
    lines: ['error: The loss is NaN after step 7.', 'hint: Lower the learning rate.', ''],
    code: 1,
  })
})

test.each([
  [new RecipeError('m', 'h'), 2],
  [new PolicyError('m', 'h'), 2],
  [new UsageError('m', 'h'), 2],
  [new TrainingError('m', 'h'), 1],
  [new Error('m'), 1],
])('%s: exit code %i', (error, code) => {
  expect(describeFailure(error)?.exitCode).toBe(code)
})

describe('system errors', () => {
  test.each([
    ['ENOSPC', 'Cannot write "/out/x": the disk is full.', /another/],
    ['EACCES', 'Cannot write "/out/x": this user may not.', /permissions/],
    ['EROFS', 'Cannot write "/out/x": the file system is read-only.', /another/],
  ])('%s', (code, message, hint) => {
    const error = Object.assign(new Error(`${code}: raw text`), { code, syscall: 'write', path: '/out/x' })
    const failure = describeFailure(error)
    expect(failure?.message).toBe(message)
    expect(failure?.hint).toMatch(hint)
  })
})

test('memory that runs out', () => {
  expect(describeFailure(new RangeError('Array buffer allocation failed'))).toMatchObject({
    message: 'Not enough memory: Array buffer allocation failed.',
    exitCode: 1,
  })
})

test('commander’s suggestion becomes the hint', () => {
  const error = new CommanderError(
    1,
    'commander.unknownOption',
    "error: unknown option '--step'\n(Did you mean --steps?)",
  )
  expect(describeFailure(error)).toEqual({
    message: "Unknown option '--step'.",
    hint: 'Did you mean --steps? Add --help to see what the command takes.',
    exitCode: 2,
  })
})

test('asked-for help is no failure', () => {
  expect(report(new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)'))).toEqual({ lines: [''], code: 0 })
})

test('a fault of our own hides its stack until it is asked for', () => {
  const error = new Error('registers ran out', { cause: new Error('deeper') })
  expect(report(error).lines.join('\n')).not.toMatch(/errors\.test/)
  const { lines } = report(error, { HALFLIFE_DEBUG: '1' })
  expect(lines[0]).toBe('error: halflife failed where it should not: registers ran out')
  expect(lines.join('\n')).toMatch(/errors\.test[\s\S]*caused by Error: deeper/)
})
