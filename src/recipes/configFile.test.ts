import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseConfig, readConfigFile } from './configFile.ts'

const folder = mkdtempSync(join(tmpdir(), 'halflife-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('readConfigFile', () => {
  test('YAML and JSON mean the same, with the line of each key', () => {
    const yaml = join(folder, 'run.yaml')
    writeFileSync(yaml, '# longer\nmodel:\n  layers: 8\noptimizer: { betas: [0.9, 0.95], weightDecay: 1e-1 }\n')
    const json = join(folder, 'run.json')
    const values = { model: { layers: 8 }, optimizer: { betas: [0.9, 0.95], weightDecay: 0.1 } }
    writeFileSync(json, JSON.stringify(values, null, '\t'))
    expect(readConfigFile(yaml)).toMatchObject({ file: yaml, values })
    expect(readConfigFile(json).values).toEqual(values)
    expect(readConfigFile(yaml).lines.get('optimizer.weightDecay')).toBe(4)
    expect(readConfigFile(json).lines.get('model.layers')).toBe(3)
  })

  test('a missing file and a folder', () => {
    expect(() => readConfigFile(join(folder, 'none.yaml'))).toThrow(/none.yaml": there is no such file/)
    expect(() => readConfigFile(folder)).toThrow(/it is a folder/)
  })
})

test('an empty file changes nothing', () => {
  expect(parseConfig('', 'run.yaml').values).toEqual({})
  expect(parseConfig('# only a comment\n', 'run.yaml').values).toEqual({})
})

test.each([
  ['run.yaml', 'model:\n  layers: 2\n layers: 3\n', /^run.yaml:\d: /],
  ['run.yaml', 'model:\n  layers: 2\n  layers: 3\n', /^run.yaml:3: Map keys must be unique/],
  ['run.yaml', 'model:\n  layers: [2\n', /^run.yaml:\d: /],
  ['run.yaml', 'model:\n  layers: !big 2\n', /^run.yaml:2: Unresolved tag: !big/],
  ['run.yaml', '- model\n', /^run.yaml:1: the file holds no sections/],
  ['run.yaml', 'model: *nowhere\n', /run.yaml.*nowhere/],
  ['run.json', '{\n  "model": {\n    "layers": 2,\n  }\n}\n', /^run.json:4: not valid JSON: /],
  ['run.json', '{\n  "model": {\n', /^run.json:2: not valid JSON: /],
  ['run.json', '{ "model": 1, "model": 2 }', /^run.json:1: Map keys must be unique/],
  ['run.json', 'model: 2', /^run.json:1: not valid JSON/],
])('%s: %j', (file, text, message) => {
  expect(() => parseConfig(text, file)).toThrow(message)
})
