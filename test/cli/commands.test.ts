/** The commands as a user meets them: what goes where, in which form, and what is left on disk. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { beforeAll, describe, expect, test } from 'vitest'
import { buildProgram } from '../../src/cli/program.ts'
import { processTerminal } from '../../src/cli/terminal.ts'
import { ledgerRecord, summaryRecord } from '../../src/records/index.ts'
import { halflife, run, TEXT, temporaryFolder, TINY, type Result } from './halflife.ts'

const folder = temporaryFolder()
const at = (name: string): string => join(folder, name)
const text = at('text.txt')
const first = at('first')
/** Begins every colour code. */
const ESCAPE = '\u001B'

let trained: Result

const { commands: SHOWN } = await buildProgram([], processTerminal())
const COMMANDS = SHOWN.map((command) => command.name())

const DOCUMENT_HEAD = `# Commands

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 the command line or the configuration
is wrong, 130 stopped by Ctrl-C. These are the commands' own help texts; a test keeps them the same.
`

beforeAll(async () => {
  writeFileSync(text, TEXT)
  trained = await halflife(train('--steps', '6', '--out', first, '--sample', '20'))
})

function train(...more: readonly string[]): string[] {
  return ['train', '--data', text, ...TINY, '--threads', '1', ...more]
}

function weightsOf(folder: string): Buffer {
  return readFileSync(join(folder, 'checkpoints/last/model.safetensors'))
}

describe('help', () => {
  const usages = SHOWN.map((command) => [command.name(), command.usage()] as const)
  test.each(usages)('%s --help has its usage, flags and examples, on stdout', async (command, usage) => {
    const { code, stdout, stderr } = await halflife([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`Usage: halflife ${command} ${usage}\n`)
    expect(stdout).toMatch(new RegExp(`Examples:\n  halflife ${command}`))
    expect(stdout).toMatch(/--json/)
  })

  test('train --help lists the recipes and every path', async () => {
    const { stdout } = await halflife(['train', '--help'])
    for (const name of ['quickstart', 'shakespeare-char-cpu', 'gpt2-nanogpt']) expect(stdout).toContain(`  ${name} `)
    const paths = {
      model: 'layers heads width context vocab bias dropout',
      optimizer: 'learningRate weightDecay betas eps policy',
      schedule: 'warmup steps floor',
      train: 'batchSize accumulation clip evalEvery seed',
    }
    for (const [section, keys] of Object.entries(paths)) {
      for (const key of keys.split(' ')) expect(stdout).toMatch(new RegExp(`  ${section}\\.${key} `))
    }
  })

  // After a change: npx vitest run test/cli --update
  test('docs/commands.md is the help', async () => {
    const sections = await Promise.all(
      COMMANDS.map(async (command) => {
        const { stdout } = await halflife([command, '--help'])
        return `## halflife ${command}\n\n\`\`\`\n${stdout.trimEnd()}\n\`\`\`\n`
      }),
    )
    await expect([DOCUMENT_HEAD, ...sections].join('\n')).toMatchFileSnapshot('../../docs/commands.md')
  })

  test('--version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await halflife(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
  })
})

describe('train', () => {
  test('the story goes to stderr, in plain lines', () => {
    const { stderr } = trained
    expect(stderr).toMatch(/Weight decay: policy nanogpt, λ 0\.1/)
    expect(stderr).toMatch(/matrix +4 +3,072 +0\.1/)
    expect(stderr).toMatch(/validation loss \d\.\d+ before training/)
    expect(stderr).toMatch(/^step 1\/6 {2}loss \d\.\d+ {2}.* tokens\/s .* left$/m)
    expect(stderr).not.toContain('\r')
    expect(stderr).not.toContain(ESCAPE)
  })

  test('the result goes to stdout: losses, comparison, speed, checkpoint, text, what to try', () => {
    const { code, stdout } = trained
    expect(code).toBe(0)
    expect(stdout).toMatch(/Validation loss +\d\.\d{4} → \d\.\d{4} nats per token/)
    expect(stdout).toMatch(/For comparison +2\.\d{4} .*unigram entropy/)
    expect(stdout).toMatch(/Training +6 steps, 96 tokens/)
    expect(stdout).toContain(join(first, 'checkpoints/last'))
    expect(stdout).toMatch(/What it writes:\n\n {2}./)
    expect(stdout).toContain(`npx halflife sample ${first}`)
    expect(stdout).not.toContain(ESCAPE)
  })

  test('--json prints one document of the agreed form and nothing else', async () => {
    const { code, stdout } = await halflife(train('--steps', '2', '--seed', '7', '--out', at('json'), '--json'))
    expect(code).toBe(0)
    const document = JSON.parse(stdout)
    expect(summaryRecord.parse(document)).toEqual(document)
    expect(document).toMatchObject({
      recipe: 'quickstart',
      threads: 1,
      seed: 7,
      steps: 2,
      tokens: 32,
      parameters: { total: document.parameters.decayed + document.parameters.undecayed },
      tensors: { decayed: 6, undecayed: 3 },
      checkpoint: join(at('json'), 'checkpoints/last'),
    })
    expect(Object.keys(document)).toEqual(
      (
        'run recipe backend threads seed parameters tensors steps tokens seconds medianStepMs tokensPerSecond ' +
        'flopsPerSecond trainLoss penalty valLoss checkpoint'
      ).split(' '),
    )
  })

  test('settings come from the recipe, then --config, then --set, then flags', async () => {
    const file = at('config.yaml')
    writeFileSync(file, 'schedule: { steps: 9 }\noptimizer:\n  weightDecay: 0.3\n  policy: all\ntrain: { seed: 3 }\n')
    const flags = ['--config', file, '--set', 'optimizer.weightDecay=0.5', '--steps', '2', '--sample', '0']
    const { code, stderr } = await halflife(train(...flags, '--out', at('config')))
    expect(code).toBe(0)
    expect(stderr).toMatch(/policy all, λ 0\.5.* 2 steps/)
    const { recipe } = JSON.parse(readFileSync(join(at('config'), 'config.json'), 'utf8'))
    expect(recipe.config).toMatchObject({
      optimizer: { weightDecay: 0.5, policy: 'all' },
      schedule: { steps: 2 },
      train: { seed: 3 },
    })
  })

  test('without --out a run gets a folder of its own under runs', async () => {
    const { code, stdout } = await halflife(train('--steps', '1', '--json'), { cwd: folder })
    expect(code).toBe(0)
    expect(JSON.parse(stdout).run).toMatch(/^runs\/quickstart-\d{8}-\d{6}$/)
    expect(existsSync(join(folder, JSON.parse(stdout).checkpoint, 'model.safetensors'))).toBe(true)
  })

  test('a resumed run goes on to the same weights, bit for bit', async () => {
    const [whole, parts] = [at('whole'), at('parts')]
    const steps = ['--steps', '3000', '--set', 'train.evalEvery=1000', '--sample', '0']
    await halflife(train(...steps, '--out', whole))
    // Stopped by Ctrl-C: a smaller --steps would be another schedule.
    const begun = await halflife(train(...steps, '--out', parts), { signals: [[/^step /m, 'SIGINT']] })
    expect(begun.code).toBe(130)
    const second = await halflife(['train', '--resume', parts, '--threads', '1', '--sample', '0'])
    expect(second.stderr).not.toMatch(/changed/)
    expect(second.code).toBe(0)
    expect(weightsOf(parts).equals(weightsOf(whole))).toBe(true)
  })

  test('Ctrl-C saves, says how to go on, and that command works', async () => {
    const long = at('long')
    const stopped = await halflife(train('--steps', '50000', '--set', 'train.evalEvery=1000000', '--out', long), {
      signals: [[/^step /m, 'SIGINT']],
    })
    expect(stopped).toMatchObject({ code: 130, stdout: '' })
    expect(stopped.stderr).toMatch(/saving a checkpoint/)
    const [, step] = /Stopped after step (\d+)/.exec(stopped.stderr) ?? []
    const [, command = ''] = /To go on: npx halflife (.*)$/m.exec(stopped.stderr) ?? []
    const words = command.split(' ').map((word) => word.replace(/^'(.*)'$/, '$1'))
    expect(words).toEqual(['train', '--resume', long])
    const further = Number(step) + 2
    const resumed = await halflife([...words, '--steps', String(further), '--threads', '1', '--json'])
    expect(resumed.stderr).toContain(`going on after step ${Number(step).toLocaleString('en-US')}`)
    expect(JSON.parse(resumed.stdout)).toMatchObject({ steps: further, run: long })
  })

  test('a second Ctrl-C ends it at once, whatever is being done', async () => {
    const script = at('busy.mjs')
    const bundle = await rolldown({ input: 'src/cli/interrupt.ts', platform: 'node' })
    await bundle.write({ file: at('interrupt.mjs') })
    writeFileSync(
      script,
      `import { interruptSignal } from './interrupt.mjs'
       interruptSignal(() => {
         process.stderr.write('first')
         for (;;);
       })
       setInterval(() => process.stderr.write('ready'), 20)`,
    )
    const { stderr, signal } = await run([process.execPath, script], {
      signals: [
        [/ready$/, 'SIGINT'],
        [/first$/, 'SIGINT'],
      ],
    })
    expect(stderr).toMatch(/first$/)
    expect(signal).toBe('SIGINT')
  })
})

describe('sample', () => {
  test('continues the prompt, the same way for the same seed', async () => {
    const [one, again, other] = await Promise.all(
      ['1', '1', '2'].map((seed) => {
        return halflife(['sample', first, '--prompt', 'call ', '--tokens', '30', '--seed', seed, '--threads', '1'])
      }),
    )
    expect(one?.code).toBe(0)
    expect(one?.stderr).toMatch(/^30 tokens, [\d,.]+ per second\n$/)
    expect(one?.stdout).toMatch(/^call /)
    expect(one?.stdout).toHaveLength('call '.length + 30 + '\n'.length)
    expect(again?.stdout).toBe(one?.stdout)
    expect(other?.stdout).not.toBe(one?.stdout)
  })

  test('all backends write the same text', async () => {
    const texts = await Promise.all(
      ['auto', 'wasm', 'interpreter'].map((backend) => {
        return halflife(['sample', first, '--tokens', '15', '--backend', backend, '--threads', '1'])
      }),
    )
    expect(texts[0]?.stdout).toHaveLength(16)
    expect(new Set(texts.map(({ stdout }) => stdout)).size).toBe(1)
  })

  test('every option, and a stop string', async () => {
    const flags = '--top-k 9 --top-p 0.9 --min-p 0.01 --repetition-penalty 1.2 --special --ignore-end'.split(' ')
    const free = await halflife(['sample', first, '--tokens', '20', '--seed', '3', ...flags])
    expect(free.code).toBe(0)
    expect(free.stdout).toHaveLength(21)
    const stop = free.stdout.slice(6, 9)
    const escaped = stop.replaceAll('\n', String.raw`\n`)
    const cut = await halflife(['sample', first, '--tokens', '20', '--seed', '3', ...flags, '--stop', escaped])
    expect(cut.stdout).toBe(`${free.stdout.slice(0, free.stdout.indexOf(stop))}\n`)
  })

  test('a run with a tokenizer’s file carries it along', async () => {
    const path = at('own/tokenizer.json')
    mkdirSync(at('own'), { recursive: true })
    const characters = [...new Set(readFileSync(text, 'utf8'))]
    const model = {
      type: 'BPE',
      vocab: Object.fromEntries([...characters, '</s>'].map((c, id) => [c, id])),
      merges: [],
    }
    const end = { id: characters.length, content: '</s>', special: true, normalized: false }
    const parts = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } }
    writeFileSync(path, JSON.stringify({ model, added_tokens: [end], ...parts }))
    const out = at('with-file')
    const { code, stderr } = await halflife(train('--steps', '2', '--out', out, '--sample', '0', '--tokenizer', path))
    expect([code, stderr]).toEqual([0, expect.any(String)])
    rmSync(path)
    const { stdout } = await halflife(['sample', out, '--prompt', 'call ', '--tokens', '9', '--ignore-end'])
    expect(stdout).toMatch(/^call /)
  })

  test.each([
    [['--top-p', '0'], 'Expected a number above 0 and at most 1.'],
    [['--repetition-penalty', '0.5'], 'Expected a number, 1 or more.'],
    [['--stop', ''], 'Expected a text with a character at least.'],
  ])('%j is refused', async (flags, message) => {
    const { code, stderr } = await halflife(['sample', first, ...flags])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  test('--json, --best and a checkpoint’s own folder', async () => {
    const flags = ['--tokens', '4', '--temperature', '0', '--top-k', '3', '--json']
    const last = await halflife(['sample', join(first, 'checkpoints/last'), ...flags])
    expect(JSON.parse(last.stdout)).toMatchObject({ recipe: 'quickstart', step: 6, tokens: 4, temperature: 0, topK: 3 })
    expect(JSON.parse(last.stdout).generation).toMatchObject({ reason: 'tokens', tokens: 4 })
    const best = await halflife(['sample', first, '--best', ...flags])
    expect(JSON.parse(best.stdout).checkpoint).toBe(join(first, 'checkpoints/best'))
  })
})

describe('ledger', () => {
  test('--json has the agreed form, and nanoGPT’s numbers', async () => {
    const { code, stdout, stderr } = await halflife(['ledger', 'shakespeare-char-cpu', '--json'])
    expect(code).toBe(0)
    expect(stderr).toMatch(/taken to be Shakespeare's 65 characters/)
    const document = JSON.parse(stdout)
    expect(ledgerRecord.parse(document)).toEqual(document) // all of it, as ledger.json has it
    expect(document).toMatchObject({ policy: 'nanogpt', form: 'decoupled', weightDecay: 0.1, steps: 2000 })
    expect(document.totals).toEqual({
      decayed: { tensors: 18, parameters: 802_944 },
      undecayed: { tensors: 9, parameters: 1152 },
    })
    expect(document.entries[0]).toMatchObject({
      name: 'wte.weight',
      aliases: ['lm_head.weight'],
      shape: [65, 128],
      role: 'embedding',
      weightDecay: 0.1,
      reason: 'two or more dimensions',
      form: 'decoupled',
      learningRateMultiplier: 1,
      timescaleSteps: 10_000,
      timescaleTokens: 10_000 * 768,
      timescaleShare: 5,
    })
    expect(document.entries[0].survival).toBeCloseTo(0.896, 3)
    expect(document.entries[0].halfLifeShare).toBeCloseTo(5 * Math.LN2, 12)
    expect(document.entries[0].equilibriumRms).toBeCloseTo(Math.sqrt(1e-3 / 0.2), 12)
  })

  test('--tensors has half-life, timescale, what survives and where it settles for each', async () => {
    const { stdout } = await halflife(['ledger', 'shakespeare-char-cpu', '--tensors'])
    expect(stdout).toMatch(
      /^wte\.weight = lm_head\.weight +\[65, 128\] +embedding +0\.1 +6,931 +10,000 +500\.0 % +89\.6 % +0\.0707 +two or more dimensions$/m,
    )
    expect(stdout).toMatch(/^ln_f\.weight +\[128\] +gain +– +– +– +– +100 % +– +fewer than two dimensions$/m)
  })

  test('GPT-2 small, to the parameter', async () => {
    const { stdout } = await halflife(['ledger', 'gpt2@124m', '--json'])
    expect(JSON.parse(stdout).totals).toEqual({
      decayed: { tensors: 50, parameters: 124_318_464 },
      undecayed: { tensors: 98, parameters: 121_344 },
    })
  })

  test('another policy is compared with the recipe’s own', async () => {
    const { stdout } = await halflife(['ledger', 'gpt2@124m', '--policy', 'mingpt', '--tensors'])
    expect(stdout).toMatch(/Compared with note:/)
    expect(stdout).toMatch(/wte\.weight/)
    expect(stdout).toMatch(/ln_f\.bias +\[768\] +bias/)
  })

  test('of a run', async () => {
    const { stdout } = await halflife(['ledger', first])
    expect(stdout).toMatch(/policy nanogpt.* 6 steps/)
    expect(stdout).toMatch(/matrix +4 +3,072/)
  })
})

describe('info', () => {
  test('names the processor, the backends and what would run', async () => {
    const { code, stdout } = await halflife(['info'])
    expect(code).toBe(0)
    for (const word of ['CPU', 'cores', 'native', 'wasm', 'interpreter', 'A run would use'])
      expect(stdout).toContain(word)
  })

  test('--json', async () => {
    const { stdout } = await halflife(['info', '--json', '--backend', 'interpreter'])
    const document = JSON.parse(stdout)
    expect(document).toMatchObject({ node: process.version, would: { backend: 'interpreter', threads: 1 } })
    expect(document.backends.map(({ name }: { name: string }) => name)).toEqual(['native', 'wasm', 'interpreter'])
  })
})

test('colours follow FORCE_COLOR, and NO_COLOR wins', async () => {
  const colored = await halflife(['ledger', 'gpt2@124m'], { env: { FORCE_COLOR: '1' } })
  expect(colored.stdout).toContain(`${ESCAPE}[1mWeight decay`)
  const plain = await halflife(['ledger', 'gpt2@124m'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })
  expect(plain.stdout).not.toContain(ESCAPE)
})
