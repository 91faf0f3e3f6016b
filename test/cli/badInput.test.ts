/** What goes wrong in daily use: each says what it was and the way out, ends with a code, and harms nothing. */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { halflife, halflifeLimited, TEXT, temporaryFolder, TINY, type Result } from './halflife.ts'

const FAILED = 1
const USAGE = 2

const folder = temporaryFolder()
const at = (name: string): string => join(folder, name)
const text = at('text.txt')
const run = at('run')

/** A run of two steps, saved: what later mistakes must not harm. */
beforeAll(async () => {
  chmodSync(folder, 0o777)
  writeFileSync(text, TEXT)
  const made = await halflife(train('--out', run))
  expect(made.stderr).not.toMatch(/error:/)
  expect(made.code).toBe(0)
})

function train(...more: readonly string[]): string[] {
  return ['train', '--data', text, '--steps', '2', ...TINY, '--threads', '1', '--sample', '0', ...more]
}

/** One `error:` line, one `hint:` line, no stack, nothing on stdout. */
function expectRefusal(result: Result, code: number, error: RegExp, hint: RegExp): void {
  expect(result.stderr).toMatch(error)
  const lines = result.stderr.trimEnd().split('\n')
  expect(lines.filter((line) => line.startsWith('error: '))).toHaveLength(1)
  expect(lines.at(-1)).toMatch(/^hint: /)
  expect(lines.at(-1)).toMatch(hint)
  expect(result.stderr).not.toMatch(/\n\s+at .*:\d+/)
  expect(result.stdout).toBe('')
  expect(result).toMatchObject({ code, signal: null })
}

async function expectWhole(runFolder: string): Promise<void> {
  const sampled = await halflife(['sample', runFolder, '--tokens', '5', '--threads', '1'])
  expect(sampled).toMatchObject({ code: 0, stderr: expect.stringMatching(/^5 tokens, [\d.,]+ per second\n$/) })
  expect(sampled.stdout).toHaveLength('12345\n'.length)
}

describe('data', () => {
  test('missing', async () => {
    const result = await halflife(['train', '--data', at('none.txt')])
    expectRefusal(result, FAILED, /no file or folder .*none\.txt/, /moby-dick, sotu/)
  })

  test('empty', async () => {
    writeFileSync(at('empty.txt'), '')
    expectRefusal(await halflife(['train', '--data', at('empty.txt')]), FAILED, /empty\.txt is empty/, /text in it/)
  })

  test('an empty folder', async () => {
    mkdirSync(at('hollow'))
    expectRefusal(await halflife(['train', '--data', at('hollow')]), FAILED, /hollow has no text/, /\.txt/)
  })

  test('shorter than a block', async () => {
    writeFileSync(at('short.txt'), 'to be or not to be, that is the question')
    const result = await halflife(['train', '--data', at('short.txt'), '--out', at('short')])
    expectRefusal(result, FAILED, /short\.txt has \d+ tokens; .* 64 .* at least 65/, /model\.context/)
    expect(existsSync(at('short'))).toBe(false)
  })

  test('none given where the recipe has none', async () => {
    const result = await halflife(['train', 'shakespeare-char-cpu'])
    expectRefusal(result, USAGE, /"shakespeare-char-cpu" comes without a text/, /--data/)
  })

  test('a token outside the model’s vocabulary', async () => {
    const result = await halflife(train('--set', 'model.vocab=5', '--out', at('small')))
    expectRefusal(result, FAILED, /token id \d+ at position \d+ is outside the vocabulary of 5/, /model\.vocab=auto/)
  })

  test('a prompt outside the vocabulary', async () => {
    const result = await halflife(['sample', run, '--prompt', 'Ω'])
    expectRefusal(result, FAILED, /"Ω" \(U\+03A9\).*not in the vocabulary/, /Leave it out/)
  })
})

describe('names', () => {
  test.each([
    [['trian'], /Unknown command 'trian'/, /Did you mean train\?/],
    [['train', '--stesp', '4'], /Unknown option '--stesp'/, /Did you mean --steps\?/],
    [['train', 'quikstart'], /Unknown recipe "quikstart"/, /Did you mean "quickstart"\? The recipes are: /],
    [
      ['train', '--set', 'model.layer=2'],
      /Unknown key "model\.layer" \(--set\)/,
      /Did you mean model\.layers\? .*train\.seed/,
    ],
    [['train', '--set', 'optimizer.lr=1'], /Unknown key "optimizer\.lr"/, /Did you mean optimizer\.learningRate\?/],
    [['train', '--set', 'optimizer.policy=nanogtp'], /optimizer\.policy is "nanogtp"/, /Did you mean "nanogpt"\?/],
    [['ledger', 'quickstart', '--policy', 'mingtp'], /Unknown decay policy "mingtp"/, /Did you mean "mingpt"\?/],
    [['ledger', 'gpt3'], /"gpt3" is neither a recipe nor a folder/, /Its sizes are gpt3@nano, .*gpt3@175b/],
    [
      ['train', '--tokenizer', 'bpe'],
      /data\.tokenizer is "bpe" \(--tokenizer\); expected one of char, byte, gpt2/,
      /tokens/,
    ],
    [['train', '--config', 'absent.yaml'], /configuration file "absent\.yaml": there is no such file/, /--config/],
    [['train', '--backend', 'cuda'], /'cuda' is invalid.*native, wasm, interpreter/, /--help/],
    [['info', '--disable', 'mmx'], /'mmx' is invalid.*avx2, fma, avx512/, /--help/],
    [[], /No command was given/, /halflife train/],
  ])('%j', async (args, error, hint) => {
    expectRefusal(await halflife(args), USAGE, error, hint)
  })
})

describe('values', () => {
  test.each([
    ['model.layers=two', /model\.layers is "two" \(--set\); expected a whole number/],
    ['model.layers=1.5', /model\.layers is 1\.5 .*expected a whole number/],
    ['model.bias=1', /model\.bias is 1 .*expected true or false/],
    ['optimizer.betas=0.9', /optimizer\.betas is 0\.9 .*expected two numbers/],
    ['optimizer.weightDecay=-0.1', /optimizer\.weightDecay is -0\.1 .*expected a finite number, 0 or more/],
    ['optimizer.weightDecay=NaN', /optimizer\.weightDecay is .*NaN.* expected a finite number/],
    ['optimizer.weightDecay=.inf', /optimizer\.weightDecay is Infinity .*expected a finite number/],
    ['optimizer.learningRate=-1', /optimizer\.learningRate is -1 .*expected a finite number, 0 or more/],
    ['optimizer.learningRate=.nan', /optimizer\.learningRate is NaN .*expected a finite number/],
    ['model.heads=5', /model\.width is 128, which model\.heads \(5\) does not divide/],
    ['model.layers', /--set model\.layers gives no value/],
  ])('--set %s', async (setting, error) => {
    expectRefusal(await halflife(['train', '--set', setting]), USAGE, error, /./)
  })

  test.each([
    [['--steps', '0'], /'0' is invalid\. Expected a whole number, 1 or more/],
    [['--seed', 'lucky'], /'lucky' is invalid\. Expected a whole number/],
    [['--threads', '1.5'], /'1\.5' is invalid/],
  ])('%j', async (flags, error) => {
    expectRefusal(await halflife(['train', ...flags]), USAGE, error, /--help/)
  })

  test('in a file, with the line', async () => {
    const file = at('wrong.yaml')
    writeFileSync(file, 'model:\n  layers: 2\noptimizer:\n  weightDecay: lots\n')
    const result = await halflife(['train', '--config', file])
    expectRefusal(result, USAGE, /optimizer\.weightDecay is "lots" \(.*wrong\.yaml:4\)/, /λ/)
  })
})

describe('the machine', () => {
  test('more threads than cores', async () => {
    const result = await halflife(['train', '--threads', '4096'])
    expectRefusal(result, FAILED, /4096 threads were asked for, but this machine has \d+ core/, /at most \d+/)
  })

  test('no instructions for bf16', async () => {
    const native = await halflife(train('--precision', 'bf16', '--disable', 'bf16'))
    const refused = /precision bf16 cannot be had here: (it needs .*AVX512_BF16|WebAssembly)/
    expectRefusal(native, USAGE, refused, /--precision fp32/)
    const wasm = await halflife(train('--set', 'train.precision=bf16', '--backend', 'wasm'))
    expectRefusal(wasm, USAGE, /WebAssembly has no instructions/, /--precision fp32/)
    const unknown = await halflife(train('--precision', 'fp8'))
    expectRefusal(unknown, USAGE, /fp8/, /fp32, bf16|--help/)
  })

  test('no AVX: native refuses, and auto says what it takes instead', async () => {
    const native = await halflife(train('--backend', 'native', '--disable', 'avx2', '--out', at('native')))
    expectRefusal(native, FAILED, /native backend cannot run here: .*(avx2|AVX2|x86-64)/, /--backend auto/)
    const auto = await halflife(train('--disable', 'avx2', '--out', at('auto')))
    expect(auto.stderr).toMatch(/native cannot run here: .*; using wasm/)
    expect(auto.stdout).toMatch(/Validation loss/)
    expect(auto.code).toBe(0)
  })

  test('koffi missing: native refuses, and auto says what it takes instead', async () => {
    const preload = at('withoutKoffi.cjs')
    writeFileSync(
      preload,
      `const Module = require('node:module')
       const load = Module._load
       Module._load = (name, ...rest) => {
         if (name === 'koffi') throw new Error("Cannot find module 'koffi'")
         return load(name, ...rest)
       }`,
    )
    const node = ['--require', preload]
    const native = await halflife(train('--backend', 'native', '--out', at('noKoffi')), { node })
    expectRefusal(native, FAILED, /native backend cannot run here: .*(koffi|x86-64)/, /--backend auto/)
    const info = await halflife(['info', '--json'], { node })
    expect(JSON.parse(info.stdout)).toMatchObject({ would: { backend: 'wasm' } })
    expect(JSON.parse(info.stdout).would.note).toMatch(/native cannot run here/)
  })
})

describe('checkpoints', () => {
  test('no such run, and a folder that is none', async () => {
    const missing = await halflife(['train', '--resume', at('nowhere')])
    expectRefusal(missing, FAILED, /no folder .*nowhere/, /folder of a run/)
    expectRefusal(await halflife(['sample', folder]), FAILED, /holds no checkpoint/, /checkpoints\/last/)
  })

  test('cut off', async () => {
    const copy = at('cut')
    cpSync(run, copy, { recursive: true })
    truncateSync(join(copy, 'checkpoints/last/model.safetensors'), 2000)
    const sampled = await halflife(['sample', copy])
    expectRefusal(sampled, FAILED, /last\/model\.safetensors/, /./)
    const resumed = await halflife(['train', '--resume', copy, '--steps', '4', '--sample', '0'])
    expectRefusal(resumed, FAILED, /last\/model\.safetensors/, /./)
  })

  test('foreign: not JSON, another program’s file, another model’s weights', async () => {
    const copy = at('foreign')
    cpSync(run, copy, { recursive: true })
    const last = join(copy, 'checkpoints/last')
    writeFileSync(join(last, 'model.safetensors'), 'PK\u0003\u0004 a pickle, perhaps'.padEnd(4096))
    expectRefusal(await halflife(['sample', copy]), FAILED, /model\.safetensors/, /./)
    writeFileSync(join(last, 'checkpoint.json'), '{"step": 3')
    expectRefusal(await halflife(['sample', copy]), FAILED, /checkpoint\.json is no JSON/, /best/)
    const { code } = await halflife(train('--set', 'model.width=32', '--out', at('wide')))
    expect(code).toBe(0)
    const mixed = at('mixed')
    cpSync(run, mixed, { recursive: true })
    cpSync(join(at('wide'), 'checkpoints/last/model.safetensors'), join(mixed, 'checkpoints/last/model.safetensors'))
    expectRefusal(
      await halflife(['sample', mixed]),
      FAILED,
      /wrong shape: wte\.weight is \[\d+, 32\]/,
      /another checkpoint/,
    )
  })

  test('another model than the flags ask for', async () => {
    const result = await halflife(['train', '--resume', run, '--set', 'model.width=32'])
    expectRefusal(result, FAILED, /made with model\.width = 16, this run asks for 32/, /without changing/)
    const other = await halflife(['train', 'gpt2@124m', '--resume', run])
    expectRefusal(other, USAGE, /is a run of the recipe "quickstart", not of "gpt2@124m"/, /Leave the recipe out/)
    await expectWhole(run)
  })
})

describe('the output folder', () => {
  test('read-only', async () => {
    const locked = at('locked')
    mkdirSync(locked)
    chmodSync(locked, 0o555)
    // Root may write anywhere, so the command runs as nobody.
    const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {}
    const result = await halflife(train('--out', join(locked, 'run')), uid)
    expectRefusal(
      result,
      FAILED,
      /Cannot write .*locked\/run: this user may not write there \(EACCES\)/,
      /another folder/,
    )
  })

  test('a file where the folder should be', async () => {
    const result = await halflife(train('--out', text))
    expectRefusal(result, FAILED, /Cannot write .*text\.txt: a file stands where a folder is needed/, /another folder/)
    expect(readFileSync(text, 'utf8')).toBe(TEXT)
  })

  test('full: what was saved before stays whole', async () => {
    const copy = at('full')
    cpSync(run, copy, { recursive: true })
    const more = ['train', '--resume', copy, '--steps', '4', '--threads', '1', '--sample', '0', '--look-every', '0']
    // Files of at most 13 blocks of 1024 bytes: the optimizer's state does not fit, as on a disk that fills up.
    const result = await halflifeLimited('-f 13', more)
    expectRefusal(
      result,
      FAILED,
      /Cannot write .*full\/checkpoints\/last: .*Checkpoints saved before are untouched/,
      /another disk/,
    )
    await expectWhole(copy)
    const again = await halflife(more)
    expect(again.code).toBe(0)
    expect(again.stdout).toMatch(/4 steps/)
  })

  test('a run that is there already is not written over', async () => {
    const before = readFileSync(join(run, 'config.json'), 'utf8')
    expectRefusal(await halflife(train('--out', run)), FAILED, /run/, /--resume|--out/)
    expect(readFileSync(join(run, 'config.json'), 'utf8')).toBe(before)
    await expectWhole(run)
  })
})

test('a loss that is no longer a number ends the run and keeps the checkpoints', async () => {
  const copy = at('diverging')
  cpSync(run, copy, { recursive: true })
  const rates = ['optimizer.learningRate=1e30', 'schedule.floor=1e30'].flatMap((setting) => ['--set', setting])
  const result = await halflife(['train', '--resume', copy, '--steps', '50', ...rates, '--sample', '0'])
  expectRefusal(
    result,
    FAILED,
    /(loss|gradient).*(NaN|Infinity|infinite|not a number|no longer a number)/i,
    /learningRate/,
  )
  await expectWhole(copy)
})
